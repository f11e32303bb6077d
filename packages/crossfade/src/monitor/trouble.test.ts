import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeWindow, type Sample } from './trouble.ts';

const limits = { windowMs: 4000, minimumRequests: 20, errorRate: 0.02, silenceMs: 5000 };
const judge = (samples: readonly Sample[]) => judgeWindow(samples, limits);
const quiet = { requests: 0, failed: 0, firstFailedAt: null };
const at = (ms: number): number => Date.UTC(2026, 0, 1) + ms;

describe('trouble', () => {
  it('is an error rate at the edge above the limit, and names since when', () => {
    const samples: Sample[] = [
      { at: at(0), edge: { requests: 100, failed: 0 }, canary: quiet },
      { at: at(500), edge: { requests: 100, failed: 4 }, canary: quiet },
      { at: at(1000), edge: { requests: 100, failed: 20 }, canary: quiet },
    ];
    expect(judge(samples)).toMatchObject({
      measure: 'error rate at the edge over 4 s',
      measured: { rate: 0.2, failed: 20, requests: 100 },
      since: new Date(at(500)).toISOString(),
    });
  });

  it('is not told from fewer requests than the floor', () => {
    expect(judge([{ at: at(0), edge: { requests: 3, failed: 2 }, canary: quiet }])).toBeNull();
  });

  it('is what the canary gets, from the third failure on', () => {
    const canary = (failed: number): Sample => ({
      at: at(900),
      edge: { requests: 100, failed: 0 },
      canary: { requests: 15, failed, firstFailedAt: at(200) },
    });
    expect(judge([canary(2)])).toBeNull();
    expect(judge([canary(3)])).toMatchObject({ since: new Date(at(200)).toISOString() });
  });

  it('is silence: analytics that stopped answering, and analytics that count nobody', () => {
    const before: Sample = { at: at(0), edge: { requests: 50, failed: 0 }, canary: quiet };
    for (const edge of [null, { requests: 0, failed: 0 }]) {
      expect(judge([before, { at: at(5001), edge, canary: quiet }])?.measure).toBe('no data from the analytics');
      expect(judge([before, { at: at(4999), edge, canary: quiet }])).toBeNull();
    }
  });

  it('is never seen where every sample is below the limits', () => {
    const healthy = fc
      .tuple(fc.integer({ min: 1, max: 5000 }), fc.double({ min: 0, max: limits.errorRate, noNaN: true }))
      .map(([requests, rate]) => ({ requests, failed: Math.floor(requests * rate) }));
    fc.assert(
      fc.property(fc.array(healthy, { minLength: 1, maxLength: 50 }), (windows) => {
        const samples = windows.map((edge, index): Sample => ({ at: at(index * 250), edge, canary: quiet }));
        for (let end = 1; end <= samples.length; end++) expect(judge(samples.slice(0, end))).toBeNull();
      }),
    );
  });

  it('is always seen where the newest window is above both floor and limit', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 20, max: 5000 }),
        fc.double({ min: 0.03, max: 1, noNaN: true }),
        (requests, rate) => {
          const edge = { requests, failed: Math.ceil(requests * rate) };
          expect(judge([{ at: at(0), edge, canary: quiet }])).not.toBeNull();
        },
      ),
    );
  });
});
