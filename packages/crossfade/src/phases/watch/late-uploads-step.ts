import type { RolloutContext } from '../../rollout/context.ts';
import type { Step } from '../../rollout/plan.ts';
import { until } from '../../rollout/until.ts';
import { verdict } from '../../rollout/verdict.ts';
import { carryLateUploads } from '../../transfer/mirror/late-uploads.ts';
import { openEvidence } from '../mirror/open-mirror.ts';

/** Names are kept for minutes at the most, ms. */
const LET_GO_MS = 60_000;

/** Whoever kept the old address beyond the switch has let it go by now: what they uploaded to legacy goes to R2. */
export function lateUploadsStep(): Step<null> {
  return {
    id: 'watch.lateUploads',
    title: 'Uploads that still reached legacy carried over',
    proves: [],
    look: async () => null,
    run: async (context) => ({ carried: await carry(context) }),
    async verify(context) {
      const { reading: carried } = await until(
        () => carry(context),
        (keys) => keys.length === 0,
        { timeoutMs: LET_GO_MS, everyMs: 1000, signal: context.signal },
      );
      return verdict(carried.length === 0, {
        summary:
          carried.length === 0 ? 'nobody uploads to legacy any more' : `${carried.length} more reached legacy at last`,
        measured: { carried },
        expected: { carried: [] },
        mend: 'find out who still writes to legacy, then: crossfade watch',
      });
    },
    // Legacy has them all the same.
    compensate: async () => ({ kept: true }),
  };
}

async function carry(context: RolloutContext): Promise<string[]> {
  const { providers, signal } = context;
  const seen = await openEvidence(context);
  try {
    return await carryLateUploads({ r2: providers.r2.production, legacy: providers.legacyStore, seen, signal });
  } finally {
    await seen.close();
  }
}
