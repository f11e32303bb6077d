import type { Step } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { copyToR2, verifyInR2 } from '../transfer-pass.ts';
import { bulkCopy, endBulkCopy, slurperJobs } from './bulk-copy.ts';

/**
 * Everything from the legacy bucket lies in R2, verified object by object. What is uploaded meanwhile is caught up
 * here, and once more after DNS has moved.
 */
export function copyStep(): Step<{ objects: number; jobs?: readonly string[] }> {
  return {
    id: 'production.copy',
    title: 'Media copied from legacy to R2 and verified',
    proves: [],
    async look(context) {
      let objects = 0;
      for await (const _object of context.providers.r2.production.list()) objects++;
      return { objects, jobs: await slurperJobs(context) };
    },
    async run(context, before) {
      const isBulk = context.config.transfer.bulk === 'super-slurper';
      const bulk = isBulk ? await bulkCopy(context, before.jobs ?? []) : null;
      return { ...(await copyToR2(context, 'copy')), bulk };
    },
    async verify(context) {
      const result = await verifyInR2(context, 'copy');
      const wrong = result.mismatched + result.missing;
      return verdict(result.objects > 0 && wrong === 0, {
        summary: `${result.verified} of ${result.objects} objects verified, ${result.mismatched} differ, ${result.missing} missing`,
        measured: { ...result },
        expected: { mismatched: 0, missing: 0 },
        mend: 'crossfade prepare',
      });
    },
    // The copies stay: they cost little, harm nobody, and the next run need not make them again.
    compensate: async (context, before) => ({
      kept: true,
      objectsBefore: before.objects,
      aborted: await endBulkCopy(context, before.jobs ?? []),
    }),
  };
}
