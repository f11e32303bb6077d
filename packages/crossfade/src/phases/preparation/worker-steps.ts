import type { DeploymentSplit } from '../../providers/providers.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { Check, Step } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { askHealth, edgeAddress, ensureDeployed, servingSplit } from '../environment/deployment.ts';
import { ensureVersion } from '../environment/worker-upload.ts';

type WorkerBefore = { split: DeploymentSplit[] | null };

const look = async (context: RolloutContext): Promise<WorkerBefore> => ({
  split: await servingSplit(context, 'production'),
});

async function putBack(context: RolloutContext, before: WorkerBefore) {
  if (before.split === null) return { left: 'no earlier deployment; no name leads to the Worker yet' };
  return { redeployed: await ensureDeployed(context, 'production', before.split, 'back to the version before') };
}

/**
 * Production's first version answers every route from the legacy store. It is what an immediate rollback
 * returns to: whoever still comes to the Worker is served at once, while DNS caches let go.
 */
export function bypassStep(): Step<WorkerBefore> {
  return {
    id: 'production.bypass',
    title: 'Bypass version serves in production (from legacy)',
    proves: [],
    look,
    async run(context) {
      const { version, uploaded } = await ensureVersion(context, 'production', 'bypass');
      const serving = await servingSplit(context, 'production');
      // A later step's split that keeps the bypass at work is not undone by running this one again.
      if (serving?.some((split) => split.versionId === version.id && split.percentage === 100) === true) {
        return { versionId: version.id, uploaded, deployed: false };
      }
      const deployed = await ensureDeployed(
        context,
        'production',
        [{ versionId: version.id, percentage: 100 }],
        'bypass serves',
      );
      return { versionId: version.id, uploaded, deployed };
    },
    async verify(context) {
      const { version } = await ensureVersion(context, 'production', 'bypass');
      const share =
        (await servingSplit(context, 'production'))?.find((one) => one.versionId === version.id)?.percentage ?? 0;
      return verdict(share === 100, {
        summary: `the bypass version serves ${share} % of production`,
        measured: share,
        expected: 100,
      });
    },
    compensate: putBack,
  };
}

/** The new version is in production at 0 %: reachable by the override header, by nobody else. */
export function candidateStep(): Step<WorkerBefore> {
  return {
    id: 'production.worker',
    title: 'New version in production, without traffic',
    proves: [],
    look,
    async run(context) {
      const bypass = await ensureVersion(context, 'production', 'bypass');
      const { version, uploaded } = await ensureVersion(context, 'production', 'migration');
      const split = [
        { versionId: bypass.version.id, percentage: 100 },
        { versionId: version.id, percentage: 0 },
      ];
      return {
        versionId: version.id,
        uploaded,
        deployed: await ensureDeployed(context, 'production', split, 'candidate at 0 %'),
      };
    },
    async verify(context) {
      const { version } = await ensureVersion(context, 'production', 'migration');
      const split = await servingSplit(context, 'production');
      const share = split?.find((one) => one.versionId === version.id)?.percentage ?? null;
      return verdict(share === 0, {
        summary: `the new version has ${share ?? 'no'} % of production`,
        measured: share,
        expected: 0,
      });
    },
    compensate: putBack,
  };
}

/** The new version answers in production on its preview (the override header), and says that it is the new one. */
export function workerDeployedCheck(): Check {
  return {
    id: 'preCutover.production.workerDeployed',
    title: 'The new version answers in production on its preview',
    proves: ['preCutover.production.workerDeployed'],
    async run(context) {
      const { version } = await ensureVersion(context, 'production', 'migration');
      const health = await askHealth(context, 'production', { via: edgeAddress(context), version: version.id });
      return verdict(health.version.id === version.id && health.build === 'r2' && health.status === 'ok', {
        summary: `version ${health.version.id}, build ${health.build}, ${health.status}`,
        measured: { version: health.version.id, build: health.build, status: health.status },
        expected: { version: version.id, build: 'r2', status: 'ok' },
        mend: 'crossfade prepare',
      });
    },
  };
}
