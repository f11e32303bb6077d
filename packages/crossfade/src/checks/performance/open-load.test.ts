import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { openLoad } from './open-load.ts';

const signal = new AbortController().signal;

describe('an open load', () => {
  it('sends at its rate, whatever the answers take', async () => {
    let started = 0;
    const result = await openLoad({ perSecond: 100, warmUpMs: 0, durationMs: 500, signal }, async () => {
      started++;
      await wait(300);
    });
    expect(started).toBe(50);
    expect(result).toMatchObject({ requests: 50, failed: 0 });
  });

  it('shows a stall in the latencies of all who should have been answered meanwhile', async () => {
    // The whole client stalls once for 300 ms, as a blocked event loop or a full accept queue would make it.
    const { p95Ms, p50Ms } = await openLoad(
      { perSecond: 100, warmUpMs: 0, durationMs: 1000, signal },
      async (index) => {
        if (index !== 20) return;
        const until = performance.now() + 300;
        while (performance.now() < until);
      },
    );
    expect(p95Ms).toBeGreaterThan(200);
    expect(p50Ms).toBeLessThan(100);
  });

  it('counts the failures with the first reason, and nothing of the warm-up', async () => {
    const result = await openLoad({ perSecond: 100, warmUpMs: 200, durationMs: 300, signal }, async (index) => {
      if (index < 20) throw new Error('cold');
      if (index % 10 === 5) throw new Error('HTTP 500, expected 200');
    });
    expect(result).toMatchObject({ requests: 30, failed: 3, firstError: 'HTTP 500, expected 200' });
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    let started = 0;
    await openLoad({ perSecond: 1000, warmUpMs: 0, durationMs: 60_000, signal: stop.signal }, async () => {
      if (++started === 10) stop.abort();
    });
    expect(started).toBe(10);
  });
});
