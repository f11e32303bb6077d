import type { StorageLimits } from '../../providers/providers.ts';
import type { RolloutConfig } from '../../rollout/config.ts';
import { toJson } from '../../rollout/json.ts';
import type { Check } from '../../rollout/plan.ts';
import { verdict, type Verdict } from '../../rollout/verdict.ts';
import { configuredLimits, LEGACY_LIMITS, type Narrowing } from '../environment/upload-limits.ts';

const MIB = 1024 * 1024;
const inMib = (bytes: number): string => `${Math.round((bytes / MIB) * 100) / 100} MiB`;

/** The largest upload that any tier may make, bytes. */
export function largestUpload({ worker }: RolloutConfig): number {
  return Math.max(...Object.values(worker.tiers).map(({ largestFile }) => largestFile));
}

/**
 * Whether the old store could take back what the Worker accepts. Where it could not, a rollback would lose uploads that
 * users were told succeeded: so either the Worker accepts less until the watch is over, or nothing is switched.
 */
export function legacyLimitsCheck(): Check {
  return {
    id: LEGACY_LIMITS,
    title: 'The old store can take back whatever the Worker accepts',
    proves: [],
    async run({ config, providers }) {
      const { bucket } = config.environments.production.supabase;
      const { types } = configuredLimits(config);
      const wanted = { largestBytes: largestUpload(config), types: types ?? [] };
      return judgeLimits(config, await providers.supabase.production.storageLimits(bucket, wanted));
    },
  };
}

/** What the config says of a project whose own limit nobody could tell takes the place of it. */
export function judgeLimits(config: RolloutConfig, limits: StorageLimits): Verdict {
  const { legacyLimits: choice = 'refuse', legacyLargestBytes = null } = config.transfer;
  const { bucketBytes, allowedTypes, refusedTypes, projectBy } = limits;
  const projectBytes = projectBy === 'nobody' ? legacyLargestBytes : limits.projectBytes;
  const { types } = configuredLimits(config);
  const accepted = largestUpload(config);
  const taken = Math.min(bucketBytes ?? Infinity, projectBytes ?? Infinity);
  const wrong: string[] = [];
  if (taken < accepted) wrong.push(`it takes ${inMib(taken)} at most, and the Worker accepts ${inMib(accepted)}`);
  if (refusedTypes.length > 0) wrong.push(`it refuses ${refusedTypes.join(', ')}, which the Worker accepts`);
  const unknown: string[] = [];
  if (projectBy === 'nobody' && projectBytes === null)
    unknown.push("the project's own size limit (set transfer.legacyLargestBytes to what its dashboard says)");
  if (allowedTypes !== null && types === null)
    unknown.push(
      `whether the Worker accepts other types than ${allowedTypes.join(', ')} (list its types in worker.uploadTypes)`,
    );
  const narrowedTo: Narrowing | null =
    choice === 'refuse' || wrong.length === 0
      ? null
      : {
          largestBytes: taken < accepted ? taken : null,
          types: refusedTypes.length > 0 ? (types ?? []).filter((type) => !refusedTypes.includes(type)) : null,
        };
  const isNothingLeft = narrowedTo !== null && (narrowedTo.largestBytes === 0 || narrowedTo.types?.length === 0);
  const holds = unknown.length === 0 && !isNothingLeft && (wrong.length === 0 || narrowedTo !== null);
  return verdict(holds, {
    summary: summaryOf({ wrong, unknown, narrowedTo, isNothingLeft, accepted }),
    measured: toJson({
      largestAccepted: accepted,
      bucketBytes,
      projectBytes,
      projectBy: projectBy === 'nobody' && projectBytes !== null ? 'config' : projectBy,
      allowedTypes,
      refusedTypes,
      narrowedTo,
    }),
    expected: { largestTaken: `>= ${accepted}`, refusedTypes: [] },
    mend: "raise the old store's limits until the watch is over, or set transfer.legacyLimits to 'narrow'",
  });
}

function summaryOf(found: {
  readonly wrong: readonly string[];
  readonly unknown: readonly string[];
  readonly narrowedTo: Narrowing | null;
  readonly isNothingLeft: boolean;
  readonly accepted: number;
}): string {
  const { wrong, unknown, narrowedTo, isNothingLeft, accepted } = found;
  if (unknown.length > 0) return `nobody can tell ${unknown.join(', nor ')}`;
  if (wrong.length === 0)
    return `it takes uploads of ${inMib(accepted)} and more, and every type that the Worker accepts`;
  const why = wrong.join('; ');
  if (isNothingLeft) return `${why}: no upload would be left that both take`;
  if (narrowedTo === null) return `${why}: a rollback would lose such uploads`;
  const { largestBytes, types } = narrowedTo;
  const to = [
    ...(largestBytes === null ? [] : [`${inMib(largestBytes)}`]),
    ...(types === null ? [] : [types.join(', ')]),
  ];
  return `${why}: until the watch is over the Worker accepts no more than ${to.join(' and ')}`;
}
