import type { RolloutContext } from '../../rollout/context.ts';
import type { Step } from '../../rollout/plan.ts';
import { until } from '../../rollout/until.ts';
import { verdict } from '../../rollout/verdict.ts';
import { carryLateUploads, type CarriedUploads } from '../../transfer/mirror/late-uploads.ts';
import { openEvidence } from '../mirror/open-mirror.ts';

/** Names are kept for minutes at the most, ms. */
const LET_GO_MS = 60_000;

/** So many keys are named in a sentence; `measured` has them all. */
const MOST_NAMED = 5;

/**
 * Whoever kept the old address beyond the switch has let it go by now: what they uploaded to legacy goes to R2.
 * `letGoMs` is how long they may take, ms.
 */
export function lateUploadsStep(letGoMs = LET_GO_MS): Step<null> {
  return {
    id: 'watch.lateUploads',
    title: 'Uploads that still reached legacy carried over',
    proves: [],
    look: async () => null,
    run: carry,
    async verify(context) {
      const late: string[] = [];
      const { good, reading } = await until(
        async () => {
          const now = await carry(context);
          late.push(...now.carried);
          return now;
        },
        ({ carried, failed }) => carried.length === 0 && failed.length === 0,
        { timeoutMs: letGoMs, everyMs: 1000, signal: context.signal },
      );
      return verdict(good, {
        summary: summaryOf(late, reading),
        measured: { carried: late, stillComing: reading.carried, failed: reading.failed },
        expected: { stillComing: [], failed: [] },
        mend:
          reading.failed.length > 0
            ? 'mend what the reasons name, then: crossfade watch'
            : 'find out who still writes to legacy, then: crossfade watch',
      });
    },
    // Legacy has them all the same.
    compensate: async () => ({ kept: true }),
  };
}

function summaryOf(late: readonly string[], { carried, failed }: CarriedUploads): string {
  const named = (all: readonly string[]): string =>
    [...all.slice(0, MOST_NAMED), ...(all.length > MOST_NAMED ? ['…'] : [])].join(', ');
  if (failed.length > 0)
    return `${failed.length} could not be carried: ${named(failed.map(({ key, reason }) => `${key} (${reason})`))}`;
  if (carried.length > 0) return `${carried.length} more reached legacy at last: ${named(carried)}`;
  const before = late.length === 0 ? '' : `; ${late.length} were carried while it was asked: ${named(late)}`;
  return `nobody uploads to legacy any more${before}`;
}

async function carry(context: RolloutContext): Promise<CarriedUploads> {
  const { providers, signal } = context;
  const seen = await openEvidence(context);
  try {
    return await carryLateUploads({ r2: providers.r2.production, legacy: providers.legacyStore, seen, signal });
  } finally {
    await seen.close();
  }
}
