import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { burnRules, judgeBurn, seconds, type BurnRule, type Count } from './burn-rate.ts';
import { TROUBLE } from './fixtures/production.ts';

const budget = { errorRate: 0.001, minimumRequests: 20, minimumFailed: 3 };
const HOUR = 3_600_000;
const rulesAt = (deadlineMs: number): BurnRule[] =>
  burnRules({
    trouble: { ...TROUBLE, burnRates: TROUBLE.burnRates.map((rule) => ({ ...rule })) },
    durations: { monitor: { plannedMs: HOUR, deadlineMs } } as Parameters<typeof burnRules>[0]['durations'],
  });
const rehearsal = rulesAt(15_000);
const planned = rulesAt(HOUR);
const [fast] = rehearsal;
if (fast === undefined) throw new Error('there is no rule');

const none: Count = { requests: 0, failed: 0, firstFailedAt: null };
const count = (requests: number, failed: number): Count => ({ requests, failed, firstFailedAt: failed > 0 ? 1 : null });
const judge = (long: Count, short: Count) => judgeBurn('at the edge', fast, { long, short }, budget, 1);

const LOOK_MS = 500;
const PER_SECOND = 60;

/** Requests of `from`..`until`, one failing as often as `share` says from time 0 on. */
function between(from: number, until: number, share: number): Count {
  const requests = Math.max(0, Math.floor((until * PER_SECOND) / 1000) - Math.floor((from * PER_SECOND) / 1000));
  const failures = (at: number): number => Math.floor(((Math.max(0, at) * PER_SECOND) / 1000) * share);
  return count(requests, failures(until) - failures(from));
}

/** ms from the first failing request until a look sees it, at the unluckiest moment between two looks; `null`: never. */
function detectionMs(rules: readonly BurnRule[], share: number, withinMs: number): number | null {
  let worst = 0;
  for (let phase = 0; phase < LOOK_MS; phase += 50) {
    let seen: number | null = null;
    for (let now = phase; now <= withinMs && seen === null; now += LOOK_MS) {
      const found = rules
        .filter((rule) => rule.action === 'roll back')
        .some((rule) => {
          const windows = {
            long: between(now - rule.longMs, now, share),
            short: between(now - rule.shortMs, now, share),
          };
          return judgeBurn('at the edge', rule, windows, budget, now) !== null;
        });
      if (found) seen = now;
    }
    if (seen === null) return null;
    worst = Math.max(worst, seen);
  }
  return worst;
}

describe('burn rates', () => {
  it('have windows that shrink as the observation does, and never below two looks', () => {
    expect(planned.map(({ longMs, shortMs }) => [longMs, shortMs])).toEqual([
      [HOUR, HOUR / 12],
      [6 * HOUR, HOUR / 2],
      [24 * HOUR, 2 * HOUR],
    ]);
    expect(rehearsal.map(({ longMs, shortMs }) => [longMs, shortMs])).toEqual([
      [15_000, 1250],
      [90_000, 7500],
      [360_000, 30_000],
    ]);
    for (const { longMs, shortMs } of rulesAt(1)) expect([longMs, shortMs]).toEqual([2000, 1000]);
  });

  it('find a total outage within 1 s, 20 % failures within 2 s, 5 % within 5 s of a rehearsal', () => {
    expect(detectionMs(rehearsal, 1, 5000)).toBeLessThanOrEqual(1000);
    expect(detectionMs(rehearsal, 0.2, 15_000)).toBeLessThanOrEqual(2000);
    expect(detectionMs(rehearsal, 0.05, 30_000)).toBeLessThanOrEqual(5000);
  });

  it('find the same in the real thing within 1, 5 and 20 minutes', () => {
    expect(detectionMs(planned, 1, HOUR)).toBeLessThanOrEqual(60_000);
    expect(detectionMs(planned, 0.2, HOUR)).toBeLessThanOrEqual(5 * 60_000);
    expect(detectionMs(planned, 0.05, HOUR)).toBeLessThanOrEqual(20 * 60_000);
  });

  it('find nothing where as much fails as the budget allows, however long it goes on', () => {
    expect(detectionMs(rehearsal, 0.001, 30_000)).toBeNull();
    expect(detectionMs(planned, 0.001, HOUR)).toBeNull();
  });

  it('never fire where either window is within the rule', () => {
    const limit = fast.factor * budget.errorRate;
    const healthy = fc
      .tuple(fc.integer({ min: 1, max: 100_000 }), fc.double({ min: 0, max: limit, noNaN: true }))
      .map(([requests, share]) => count(requests, Math.floor(requests * share)));
    const any = fc
      .tuple(fc.integer({ min: 0, max: 100_000 }), fc.double({ min: 0, max: 1, noNaN: true }))
      .map(([requests, share]) => count(requests, Math.floor(requests * share)));
    fc.assert(
      fc.property(healthy, any, (good, other) => {
        expect(judge(good, other)).toBeNull();
        expect(judge(other, good)).toBeNull();
      }),
    );
  });

  it('always fire where both windows burn and the long one is above the floor', () => {
    const sick = (least: number) =>
      fc
        .tuple(fc.integer({ min: least, max: 100_000 }), fc.double({ min: 0.02, max: 1, noNaN: true }))
        .map(([requests, share]) => count(requests, Math.max(3, Math.ceil(requests * share))));
    fc.assert(
      fc.property(sick(20), sick(3), (long, short) => {
        expect(judge(long, short)).not.toBeNull();
      }),
    );
  });

  it('say nothing below the floor: of requests, and of failures', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 19 }), (requests) => {
        expect(judge(count(requests, requests), count(requests, requests))).toBeNull();
      }),
    );
    expect(judge(count(20, 2), count(20, 2))).toBeNull();
    expect(judge(count(20, 3), count(20, 3))).not.toBeNull();
    expect(judge(none, none)).toBeNull();
  });

  it('say nothing of what is over: the short window has recovered', () => {
    expect(judge(count(900, 400), count(75, 0))).toBeNull();
  });

  it('say what they saw in words and numbers, and since when', () => {
    expect(
      judge({ requests: 900, failed: 180, firstFailedAt: Date.UTC(2026, 0, 1) }, { ...count(75, 30) }),
    ).toStrictEqual({
      measure: 'error rate at the edge over 15 s and 1.3 s',
      measured: { rate: 0.2, failed: 180, requests: 900, rateNow: 0.4, burn: 200 },
      expected: { rate: '<= 0.0144', burn: '<= 14.4' },
      since: '2026-01-01T00:00:00.000Z',
    });
  });

  it('have windows that a person can read', () => {
    expect([1250, 15_000, 90_000, 300_000, 6 * HOUR].map(seconds)).toEqual(['1.3 s', '15 s', '90 s', '5 min', '6 h']);
  });
});
