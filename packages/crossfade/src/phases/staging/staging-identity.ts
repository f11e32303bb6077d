import { configHash } from '../../rollout/config-hash.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { Check } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { servingSplit } from '../environment/deployment.ts';
import { workerUpload } from '../environment/worker-upload.ts';

/** What staging's evidence is bound to: another build of the Worker, or another config, must be proven anew. */
export type StagingIdentity = { workerTag: string; bypassTag: string; configHash: string };

export async function stagingIdentity(context: RolloutContext): Promise<StagingIdentity> {
  const [migration, bypass] = await Promise.all([
    workerUpload(context, 'staging', 'migration'),
    workerUpload(context, 'staging', 'bypass'),
  ]);
  return { workerTag: migration.tag, bypassTag: bypass.tag, configHash: configHash(context.config) };
}

export const IDENTITY_CHECK = 'staging.identity';

/** Staging serves exactly the build that is measured; its verdict says which, and under which config. */
export function stagingIdentityCheck(): Check {
  return {
    id: IDENTITY_CHECK,
    title: 'Staging serves the build that is to be proven',
    proves: [],
    async run(context) {
      const wanted = await stagingIdentity(context);
      const { name } = context.config.environments.staging.worker;
      const split = await servingSplit(context, 'staging');
      const versions = await context.providers.cloudflare.listVersions(name);
      const serving = (split ?? []).map(({ versionId }) => versions.find((one) => one.id === versionId)?.tag ?? null);
      return verdict(serving.length === 1 && serving[0] === wanted.workerTag, {
        summary: `staging serves ${serving.join(' and ') || 'nothing'}`,
        measured: { serving, ...wanted },
        expected: { serving: [wanted.workerTag] },
        mend: 'crossfade stage',
      });
    },
  };
}
