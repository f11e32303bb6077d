import type { Step } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { copyToR2, verifyInR2 } from '../transfer-pass.ts';
import { bulkCopy, endBulkCopy, slurperJobs } from './bulk-copy.ts';
import { endSippyByHand, endSippyCopy, sippyCopy } from './sippy-copy.ts';

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
      const { bulk: who = 'own' } = context.config.transfer;
      const carry = { own: async () => null, sippy: sippyCopy, 'super-slurper': bulkCopy };
      const bulk = await carry[who](context, before.jobs ?? []);
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
      sippyEnded: context.config.transfer.bulk === 'sippy' && (await endSippyCopy(context)),
    }),
    byHand: (context, before) =>
      context.config.transfer.bulk === 'sippy'
        ? endSippyByHand(context)
        : `put back what was before production.copy: ${JSON.stringify(before)}`,
  };
}
