import { isDeepStrictEqual } from 'node:util';
import { differingRules, wantedCors, wantedLifecycle } from '../../phases/environment/bucket-rules.ts';
import type { EnvironmentName } from '../../rollout/config.ts';
import type { Check } from '../../rollout/plan.ts';
import { toJson } from '../../rollout/json.ts';
import { verdict } from '../../rollout/verdict.ts';

/** The lifecycle and CORS rules on the bucket equal the config. */
export function bucketRulesCheck(environment: EnvironmentName, proves: readonly string[]): Check {
  return {
    id: `${environment}.r2.rules`,
    title: `Lifecycle and CORS of the ${environment} bucket equal the config`,
    proves,
    async run({ config, providers }) {
      const { bucket } = config.environments[environment].worker;
      const [lifecycle, cors] = await Promise.all([
        providers.cloudflare.getLifecycle(bucket),
        providers.cloudflare.getCors(bucket),
      ]);
      const differing = differingRules(lifecycle, wantedLifecycle(config));
      const corsEqual = isDeepStrictEqual(cors, wantedCors(config));
      return verdict(differing.length === 0 && corsEqual, {
        summary:
          differing.length === 0 && corsEqual
            ? `bucket ${bucket}: ${lifecycle.length} lifecycle rules and CORS as configured`
            : `bucket ${bucket} differs: ${[...differing, ...(corsEqual ? [] : ['CORS'])].join(', ')}`,
        measured: { lifecycle: toJson(lifecycle), cors: toJson(cors) },
        expected: { lifecycle: toJson(wantedLifecycle(config)), cors: toJson(wantedCors(config)) },
        mend: environment === 'staging' ? 'crossfade stage' : 'crossfade prepare',
      });
    },
  };
}
