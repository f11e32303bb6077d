import * as v from 'valibot';
import type { RolloutConfig } from '../../rollout/config.ts';
import type { RolloutContext } from '../../rollout/context.ts';

/** The check of preparation whose verdict says what the Worker is narrowed to. */
export const LEGACY_LIMITS = 'production.legacyLimits';

const narrowing = v.object({
  narrowedTo: v.nullable(v.object({ largestBytes: v.nullable(v.number()), types: v.nullable(v.array(v.string())) })),
});
export type Narrowing = NonNullable<v.InferOutput<typeof narrowing>['narrowedTo']>;

/** What the Worker takes as uploads, as its versions are bound to it. */
export interface UploadLimits {
  readonly tiers: RolloutConfig['worker']['tiers'];
  /** `null`: all that the Worker knows. */
  readonly types: readonly string[] | null;
}

/** As the config has them: what counts in staging, and again in production once the watch is over. */
export function configuredLimits({ worker }: RolloutConfig): UploadLimits {
  return { tiers: worker.tiers, types: worker.uploadTypes ?? null };
}

/**
 * As production has them while a rollback has to be able to bring every upload back: no more than what this rollout's
 * preparation saw the old store take. The latest verdict decides, so that every version of a rollout is bound alike.
 */
export async function limitsWithinLegacy({
  config,
  history,
}: Pick<RolloutContext, 'config' | 'history'>): Promise<UploadLimits> {
  const { tiers, types } = configuredLimits(config);
  const event = (await history()).findLast((one) => one.kind === 'check.verdict' && one.subject === LEGACY_LIMITS);
  const measured = event?.kind === 'check.verdict' ? v.safeParse(narrowing, event.data.verdict.measured) : null;
  const narrowed = measured?.success === true ? measured.output.narrowedTo : null;
  if (narrowed === null) return { tiers, types };
  const { largestBytes } = narrowed;
  const within = (tier: (typeof tiers)['free']): (typeof tiers)['free'] =>
    largestBytes === null ? tier : { ...tier, largestFile: Math.min(tier.largestFile, largestBytes) };
  return {
    tiers: { free: within(tiers.free), pro: within(tiers.pro), enterprise: within(tiers.enterprise) },
    types: narrowed.types ?? types,
  };
}
