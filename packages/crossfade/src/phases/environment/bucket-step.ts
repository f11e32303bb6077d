import { isDeepStrictEqual } from 'node:util';
import { bucketRulesCheck } from '../../checks/r2/rules-check.ts';
import { isNotFound } from '../../providers/provider-error.ts';
import type { CorsRule, LifecycleRule } from '../../providers/providers.ts';
import type { EnvironmentName } from '../../rollout/config.ts';
import type { Step } from '../../rollout/plan.ts';
import { differingRules, mergedLifecycle, wantedCors, wantedLifecycle } from './bucket-rules.ts';

export type BucketBefore = { existed: boolean; lifecycle: LifecycleRule[]; cors: CorsRule[] };

/** The bucket exists with the config's lifecycle and CORS; rules of others stay. */
export function bucketStep(environment: EnvironmentName, proves: readonly string[]): Step<BucketBefore> {
  const check = bucketRulesCheck(environment, []);
  return {
    id: `${environment}.bucket`,
    title: `R2 bucket of ${environment} with its lifecycle and CORS`,
    proves,
    async look({ config, providers }) {
      const { bucket } = config.environments[environment].worker;
      if ((await providers.cloudflare.getBucket(bucket)) === null) return { existed: false, lifecycle: [], cors: [] };
      const [lifecycle, cors] = await Promise.all([
        providers.cloudflare.getLifecycle(bucket),
        providers.cloudflare.getCors(bucket),
      ]);
      return { existed: true, lifecycle: [...lifecycle], cors: [...cors] };
    },
    async run({ config, providers }) {
      const { bucket } = config.environments[environment].worker;
      const done: string[] = [];
      if ((await providers.cloudflare.getBucket(bucket)) === null) {
        await providers.cloudflare.createBucket(bucket);
        done.push('created');
      }
      const lifecycle = await providers.cloudflare.getLifecycle(bucket);
      const wanted = wantedLifecycle(config);
      if (differingRules(lifecycle, wanted).length > 0) {
        await providers.cloudflare.putLifecycle(bucket, mergedLifecycle(lifecycle, wanted));
        done.push('lifecycle written');
      }
      if (!isDeepStrictEqual(await providers.cloudflare.getCors(bucket), wantedCors(config))) {
        await providers.cloudflare.putCors(bucket, wantedCors(config));
        done.push('CORS written');
      }
      return done.length === 0 ? ['already so'] : done;
    },
    verify: (context) => check.run(context),
    async compensate({ config, providers }, before) {
      const { bucket } = config.environments[environment].worker;
      if ((await providers.cloudflare.getBucket(bucket)) === null) return ['already gone'];
      if (!before.existed) {
        for await (const object of providers.r2[environment].list())
          return [`kept: it holds ${object.key} and maybe more`];
        await providers.cloudflare.deleteBucket(bucket).catch((error: unknown) => {
          if (!isNotFound(error)) throw error;
        });
        return ['deleted'];
      }
      await providers.cloudflare.putLifecycle(bucket, before.lifecycle);
      await providers.cloudflare.putCors(bucket, before.cors);
      return ['rules put back'];
    },
  };
}
