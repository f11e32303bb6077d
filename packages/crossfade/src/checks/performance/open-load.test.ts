import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { openLoad } from './open-load.ts';

const signal = new AbortController().signal;

describe('an open load', () => {
  it('sends at its rate, whatever the answers take', async () => {
    let started = 0;
    const result = await openLoad({ perSecond: 100, warmUpMs: 0, durationMs: 500, answerMs: 0, signal }, async () => {
      started++;
      await wait(300);
    });
    expect(started).toBe(50);
    expect(result).toMatchObject({ requests: 50, failed: 0 });
  });

  it('shows a stall in the latencies of all who should have been answered meanwhile', async () => {
    // The whole client stalls once for 300 ms, as a blocked event loop or a full accept queue would make it.
    const { p95Ms, p50Ms } = await openLoad(
      { perSecond: 100, warmUpMs: 0, durationMs: 1000, answerMs: 0, signal },
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
    const result = await openLoad(
      { perSecond: 100, warmUpMs: 200, durationMs: 300, answerMs: 0, signal },
      async (index) => {
        if (index < 20) throw new Error('cold');
        if (index % 10 === 5) throw new Error('HTTP 500, expected 200');
      },
    );
    expect(result).toMatchObject({ requests: 30, failed: 3, firstError: 'HTTP 500, expected 200' });
  });

  it('has the rate that it asks for when every answer takes as long as it may', async () => {
    const { perSecond, p50Ms } = await openLoad(
      { perSecond: 100, warmUpMs: 0, durationMs: 500, answerMs: 1000, signal },
      () => wait(300),
    );
    expect(p50Ms).toBeGreaterThan(290);
    expect(perSecond).toBe(100);
  });

  it('has a lower rate when answers are still awaited after that', async () => {
    // The last comes 700 ms after the end, 500 of them too late: 50 answers in a second.
    const { perSecond } = await openLoad(
      { perSecond: 100, warmUpMs: 0, durationMs: 500, answerMs: 200, signal },
      async (index) => {
        if (index === 49) await wait(710);
      },
    );
    expect(perSecond).toBeGreaterThan(40);
    expect(perSecond).toBeLessThanOrEqual(50);
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    let started = 0;
    await openLoad({ perSecond: 1000, warmUpMs: 0, durationMs: 60_000, answerMs: 0, signal: stop.signal }, async () => {
      if (++started === 10) stop.abort();
    });
    expect(started).toBe(10);
  });
});
