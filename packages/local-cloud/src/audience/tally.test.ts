import { describe, expect, it, vi, onTestFinished } from 'vitest';
import { createTally } from './tally.ts';

const none = { uploads: 0, overwrites: 0, deletes: 0 };
const NOTHING_ELSE = { written: { legacy: none, edge: none }, seed: null };

/** A clock that a test moves. */
function clock(): (ms: number) => void {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1), toFake: ['Date'] });
  onTestFinished(() => void vi.useRealTimers());
  return (ms) => vi.setSystemTime(Date.now() + ms);
}

describe("the audience's tally", () => {
  it('counts every request on its side, and keeps the reasons of those that failed, planted ones apart', () => {
    const pass = clock();
    const tally = createTally();
    tally.begin();
    for (let index = 0; index < 8; index++) tally.count('legacy', 10, null);
    tally.count('edge', 10, { reason: 'HTTP 500', planted: false });
    tally.count('edge', 10, { reason: 'HTTP 500', planted: false });
    tally.count('edge', 10, { reason: 'HTTP 500', planted: true });
    tally.count('edge', 10, { reason: 'wrong bytes', planted: false });
    pass(1000);
    expect(tally.stats(NOTHING_ELSE)).toMatchObject({
      requests: 12,
      failed: 4,
      reasons: [
        { reason: 'HTTP 500', count: 2, planted: false },
        { reason: 'HTTP 500', count: 1, planted: true },
        { reason: 'wrong bytes', count: 1, planted: false },
      ],
      seconds: [{ ok: 8, failed: 4, legacy: 8, edge: 4 }],
    });
  });

  it('measures the longest time without a success, failures in between or not', () => {
    const pass = clock();
    const tally = createTally();
    tally.begin();
    tally.count('edge', 1, null);
    pass(700);
    tally.count('edge', 1, { reason: 'HTTP 502', planted: false });
    pass(700);
    tally.count('edge', 1, null);
    expect(tally.stats(NOTHING_ELSE).longestGapMs).toBe(1400);
  });

  it('shows whole seconds only', () => {
    const pass = clock();
    const tally = createTally();
    tally.count('edge', 1, null);
    expect(tally.stats(NOTHING_ELSE).seconds).toEqual([]);
    pass(1000);
    expect(tally.stats(NOTHING_ELSE).seconds).toHaveLength(1);
  });

  it('says where 99 of 100 latencies lie, in ms', () => {
    const tally = createTally();
    for (let index = 1; index <= 100; index++) tally.count('edge', index, null);
    const { p50Ms, p99Ms } = tally.stats(NOTHING_ELSE);
    expect(p50Ms).toBeCloseTo(50, 0);
    expect(p99Ms).toBeCloseTo(99, 0);
  });
});
