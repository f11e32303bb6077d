import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TROUBLE } from './fixtures/production.ts';
import { judgeSilence, judgeSlowness } from './trouble.ts';

describe('silence', () => {
  const heard = { lastAt: 1000, observedSince: 0, lastError: 'HTTP 500' };

  it('is trouble from the moment on that it lasts longer than allowed', () => {
    expect(judgeSilence('the analytics', heard, 5000, 6000)).toBeNull();
    expect(judgeSilence('the analytics', heard, 5000, 6001)).toStrictEqual({
      measure: 'no data from the analytics for 5 s',
      measured: { silentMs: 5001, lastError: 'HTTP 500' },
      expected: { silentMs: '<= 5000' },
      since: new Date(1000).toISOString(),
    });
  });

  it('is counted from the start where nothing was ever heard', () => {
    const nothing = { lastAt: null, observedSince: 2000, lastError: null };
    expect(judgeSilence('the canary', nothing, 5000, 7000)).toBeNull();
    expect(judgeSilence('the canary', nothing, 5000, 7001)).not.toBeNull();
  });

  it('is not what passed while nobody listened', () => {
    fc.assert(
      fc.property(fc.nat(10_000_000), fc.nat(5000), (slept, since) => {
        const observedSince = 1000 + slept;
        expect(judgeSilence('the canary', { ...heard, observedSince }, 5000, observedSince + since)).toBeNull();
      }),
    );
  });
});

describe('slowness', () => {
  const judge = (long: [number, number], short: [number, number]) => {
    const [a, b] = [long, short].map(([requests = 0, failed = 0]) => ({ requests, failed, firstFailedAt: 7 }));
    if (a === undefined || b === undefined) throw new Error('two windows');
    return judgeSlowness(1000, { long: a, short: b, longMs: 15_000, shortMs: 1250 }, TROUBLE, 9);
  };

  it('is p95 above the limit in both windows', () => {
    expect(judge([75, 20], [6, 6])).toStrictEqual({
      measure: "p95 of the canary's signed reads over 15 s and 1.3 s",
      measured: { slowerThan1000Ms: 20, reads: 75 },
      expected: { p95Ms: '<= 1000' },
      since: new Date(7).toISOString(),
    });
  });

  it('is not told from one window, from few reads, or from a stall', () => {
    expect(judge([75, 20], [6, 0])).toBeNull();
    expect(judge([75, 20], [0, 0])).toBeNull();
    expect(judge([1000, 20], [6, 6])).toBeNull();
    expect(judge([19, 19], [6, 6])).toBeNull();
    expect(judge([75, 14], [6, 6])).toBeNull();
  });

  it('is never seen where at most one read in twenty is slow', () => {
    const healthy = fc.integer({ min: 1, max: 20_000 }).map((n): [number, number] => [n, Math.floor(n / 20.1)]);
    fc.assert(
      fc.property(healthy, healthy, (long, short) => {
        expect(judge(long, short)).toBeNull();
      }),
    );
  });

  it('is always seen where more than one in ten is slow, above the floor', () => {
    const slow = fc.integer({ min: 150, max: 20_000 }).map((n): [number, number] => [n, Math.ceil(n / 10)]);
    fc.assert(
      fc.property(slow, slow, (long, short) => {
        expect(judge(long, short)).not.toBeNull();
      }),
    );
  });
});
