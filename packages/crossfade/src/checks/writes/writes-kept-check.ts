import type { Check } from '../../rollout/plan.ts';
import { skipped, verdict } from '../../rollout/verdict.ts';
import { compareWrites } from './lost-writes.ts';

/** In the verdict; all of them are in the evidence. */
const MOST_NAMED = 20;

/** What uploaders were told succeeded, before the switch, during it and since, is what R2 and the rows say. */
export function writesKeptCheck(): Check {
  return {
    id: 'watch.writesKept',
    title: 'Every upload, overwrite and delete holds in R2',
    proves: [],
    async run(context) {
      const compared = await compareWrites(context, { holds: context.providers.r2.production, also: [] });
      if (compared === null) return skipped('nobody outside keeps count of uploads');
      if (compared.keys === 0) return skipped('nobody uploaded anything');
      const { keys, uncertain, lost } = compared;
      return verdict(lost.length === 0, {
        summary: `${lost.length} of ${keys} files are not as their uploaders were told; of ${uncertain} an answer was lost`,
        measured: { keys, uncertain, lost: lost.slice(0, MOST_NAMED).map((one) => ({ ...one })) },
        expected: { lost: [] },
        evidence: [await context.keep('watch/lost-writes.json', JSON.stringify(compared, null, 2))],
      });
    },
  };
}
