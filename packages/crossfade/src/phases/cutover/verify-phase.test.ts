import { describe, expect, it } from 'vitest';
import type { LoadResult } from '../../checks/performance/open-load.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { meetsStagingCheck } from './verify-phase.ts';

const result = (p95Ms: number, over: Partial<LoadResult> = {}): LoadResult => ({
  requests: 60,
  failed: 0,
  perSecond: 20,
  p50Ms: p95Ms / 2,
  p95Ms,
  p99Ms: p95Ms * 2,
  firstError: null,
  ...over,
});
/** All that it asks of a rollout. */
const context = {
  config: { targets: { stagingTolerance: { factor: 1.5, plusMs: 50 } } },
} as unknown as RolloutContext;

/** What the check says of these comparisons, one after the other; staging's p95 is 40 ms. */
async function judge(...production: readonly LoadResult[]) {
  let compared = 0;
  const verdict = await meetsStagingCheck(async (_context, environment) => {
    if (environment === 'staging') return result(40);
    return production[compared++] ?? result(NaN);
  }).run(context);
  return { status: verdict.status, summary: verdict.summary, compared };
}

describe('production beside staging', () => {
  it('may be as much slower as the config says', async () => {
    expect(await judge(result(90))).toMatchObject({ status: 'pass', compared: 1 });
  });

  it('is too slow above that, time after time', async () => {
    expect(await judge(result(91), result(140), result(95))).toEqual({
      status: 'fail',
      summary: 'production p95 95 ms, staging p95 40 ms, limit 90 ms, 0 failed',
      compared: 3,
    });
  });

  it('is forgiven a hiccup', async () => {
    expect(await judge(result(900), result(60))).toMatchObject({ status: 'pass', compared: 2 });
  });

  it('is forgiven no read that failed', async () => {
    expect(await judge(result(30, { failed: 1 }), result(30))).toMatchObject({ status: 'fail', compared: 1 });
  });

  it('has proven nothing when nobody read', async () => {
    expect(await judge(...Array.from({ length: 3 }, () => result(0, { requests: 0 })))).toMatchObject({
      status: 'fail',
      compared: 3,
    });
  });
});
