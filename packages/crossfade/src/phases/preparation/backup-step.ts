import { isDeepStrictEqual } from 'node:util';
import { isNotFound } from '../../providers/provider-error.ts';
import type { LifecycleRule } from '../../providers/providers.ts';
import type { RolloutConfig } from '../../rollout/config.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { Step } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { findBase } from '../../transfer/backup/backup-log.ts';
import { makeBase } from '../../transfer/backup/keep-versions.ts';
import { differingRules, mergedLifecycle, OWN_RULE, wantedLifecycle } from '../environment/bucket-rules.ts';
import { backupOf } from '../rollback/data-back.ts';

/** The media's own rules, without those that delete: an old version may be the only one, which its age does not tell. */
export function backupLifecycle(config: RolloutConfig): LifecycleRule[] {
  return wantedLifecycle(config).filter((rule) => rule.deleteObjectsTransition === undefined);
}

function bucketOf({ config }: Pick<RolloutContext, 'config'>): string {
  if (config.backup === undefined) throw new Error('no backup bucket is configured (backup.bucket)');
  return config.backup.bucket;
}

/** From here on each moment can be restored: the bucket of versions is there, and every object of the media is in it. */
export function backupStep(): Step<{ existed: boolean; lifecycle: LifecycleRule[] }> {
  return {
    id: 'production.backup',
    title: 'Versions of the media kept in a bucket of their own',
    proves: [],
    async look(context) {
      const { cloudflare } = context.providers;
      const bucket = bucketOf(context);
      const existed = (await cloudflare.getBucket(bucket)) !== null;
      return { existed, lifecycle: existed ? [...(await cloudflare.getLifecycle(bucket))] : [] };
    },
    async run(context) {
      const { providers, config, signal } = context;
      const bucket = bucketOf(context);
      const created = (await providers.cloudflare.getBucket(bucket)) === null;
      if (created) await providers.cloudflare.createBucket(bucket);
      const lifecycle = await providers.cloudflare.getLifecycle(bucket);
      if (!created && !lifecycle.some((rule) => rule.id.startsWith(OWN_RULE))) await refuseForeign(context);
      const wanted = backupLifecycle(config);
      if (differingRules(lifecycle, wanted).length > 0)
        await providers.cloudflare.putLifecycle(bucket, mergedLifecycle(lifecycle, wanted));
      // A dry run names the bucket only.
      if (providers.backup === null) return { created };
      const stores = { media: providers.r2.production, backup: providers.backup, signal };
      return { created, ...(await makeBase(stores, config.transfer.concurrency)) };
    },
    async verify(context) {
      const { providers, config, signal } = context;
      const { base } = await findBase(backupOf(context), Date.now(), signal);
      const differing = differingRules(
        await providers.cloudflare.getLifecycle(bucketOf(context)),
        backupLifecycle(config),
      );
      const objects = base?.header.objects ?? 0;
      return verdict(objects > 0 && differing.length === 0, {
        summary:
          base === null
            ? 'there is no base'
            : `${objects} objects are kept as of ${base.header.finishedAt}; rules that differ: ${differing.length}`,
        measured: { objects, differing },
        expected: { objects: '> 0', differing: [] },
        mend: 'crossfade prepare',
      });
    },
    async compensate(context, before) {
      const { cloudflare } = context.providers;
      const bucket = bucketOf(context);
      if ((await cloudflare.getBucket(bucket)) === null) return { already: true };
      if (before.existed) {
        if (!isDeepStrictEqual(await cloudflare.getLifecycle(bucket), before.lifecycle))
          await cloudflare.putLifecycle(bucket, before.lifecycle);
        return { lifecycle: 'put back' };
      }
      // What is kept harms nobody and may be all that is left of something.
      for await (const { key } of backupOf(context).list()) return { kept: `it holds ${key} and maybe more` };
      await cloudflare.deleteBucket(bucket).catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
      return { deleted: true };
    },
  };
}

async function refuseForeign(context: RolloutContext): Promise<void> {
  const { backup } = context.providers;
  if (backup === null) return;
  for await (const { key } of backup.list())
    throw new Error(
      `the bucket ${bucketOf(context)} holds ${key} and none of Crossfade's rules: name another in backup.bucket`,
    );
}
