import type { RolloutContext } from '../../rollout/context.ts';
import type { Check } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { mergeListings } from '../../transfer/merge-listings.ts';

const NAMED = 10;

/** When the copy's verification began, epoch ms: what lay in legacy by then was seen in R2. `null` before that. */
async function verifiedSince({ history }: RolloutContext): Promise<number | null> {
  const event = (await history()).findLast(
    (one) => one.kind === 'check.verdict' && one.subject === 'production.copy' && one.data.verdict.status === 'pass',
  );
  return event?.kind === 'check.verdict' ? Date.parse(event.at) - event.data.ms : null;
}

/**
 * What the copy verified is in R2 still, by both listings: somebody else's clean-up or a lifecycle rule may have
 * taken it since. What was uploaded to legacy meanwhile is not missed here, for the catch-ups of the switch bring it.
 */
export function copyIntactCheck(): Check {
  return {
    id: 'production.copyIntact',
    title: 'Everything that was copied is in R2 still',
    proves: [],
    async run(context) {
      const { legacyStore, r2 } = context.providers;
      const since = await verifiedSince(context);
      let objects = 0;
      const lost: string[] = [];
      for await (const { key, from, to } of mergeListings(legacyStore.list(), r2.production.list())) {
        if (from === null || since === null || Date.parse(from.lastModified) > since) continue;
        objects++;
        if (to === null || to.size !== from.size) lost.push(key);
      }
      return verdict(objects > 0 && lost.length === 0, {
        summary:
          lost.length === 0
            ? `${objects} objects are where the copy put them`
            : `${lost.length} objects are not in R2 any more: ${lost.slice(0, NAMED).join(', ')}`,
        measured: { objects, lost: lost.length },
        expected: { objects: '> 0', lost: 0 },
        mend: 'find out who removes objects, then run the rollout again: the copy takes what is missing',
      });
    },
  };
}
