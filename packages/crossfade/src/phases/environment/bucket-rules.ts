import { isDeepStrictEqual } from 'node:util';
import type { CorsRule, LifecycleRule } from '../../providers/providers.ts';
import type { RolloutConfig } from '../../rollout/config.ts';

/** Marks the rules that are Crossfade's, so that a foreign rule is kept when the set is written anew. */
export const OWN_RULE = 'crossfade-';

const age = (seconds: number): { type: 'Age'; maxAge: number } => ({ type: 'Age', maxAge: seconds });

/** The lifecycle rules that the config asks for. */
export function wantedLifecycle(config: RolloutConfig): LifecycleRule[] {
  const { infrequentAccessAfter, abortUploadsAfter, expire } = config.bucketRules;
  return [
    {
      id: `${OWN_RULE}infrequent-access`,
      enabled: true,
      conditions: { prefix: '' },
      storageClassTransitions: [{ condition: age(infrequentAccessAfter), storageClass: 'InfrequentAccess' }],
    },
    {
      id: `${OWN_RULE}abort-uploads`,
      enabled: true,
      conditions: { prefix: '' },
      abortMultipartUploadsTransition: { condition: age(abortUploadsAfter) },
    },
    ...expire.map(({ prefix, after }) => ({
      id: `${OWN_RULE}expire-${prefix.replaceAll(/[^a-z0-9]+/g, '-').replace(/-$/, '')}`,
      enabled: true,
      conditions: { prefix },
      deleteObjectsTransition: { condition: age(after) },
    })),
  ];
}

/**
 * A PUT replaces the whole set (R2's rule), so the rules of others are carried over. The rule that a fresh
 * bucket is born with (abort after 7 days) stays too: ours only acts sooner.
 */
export function mergedLifecycle(current: readonly LifecycleRule[], wanted: readonly LifecycleRule[]): LifecycleRule[] {
  return [...current.filter((rule) => !rule.id.startsWith(OWN_RULE)), ...wanted];
}

/** Ids of wanted rules that the bucket lacks or holds otherwise. */
export function differingRules(current: readonly LifecycleRule[], wanted: readonly LifecycleRule[]): string[] {
  const byId = new Map(current.map((rule) => [rule.id, rule]));
  return wanted.filter((rule) => !isDeepStrictEqual(byId.get(rule.id), rule)).map((rule) => rule.id);
}

/** Browsers of the app's own origins may read and PUT by signed URL. */
export function wantedCors(config: RolloutConfig): CorsRule[] {
  return [
    {
      allowed: {
        origins: config.worker.allowedOrigins,
        methods: ['GET', 'HEAD', 'PUT'],
        headers: ['content-type', 'range'],
      },
      exposeHeaders: ['ETag', 'Content-Range', 'Accept-Ranges'],
      maxAgeSeconds: 3600,
    },
  ];
}
