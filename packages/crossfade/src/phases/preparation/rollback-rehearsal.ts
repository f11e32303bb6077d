import type { DeploymentSplit } from '../../providers/providers.ts';
import type { Step } from '../../rollout/plan.ts';
import { until } from '../../rollout/until.ts';
import { verdict } from '../../rollout/verdict.ts';
import { askHealth, ensureDeployed, servingSplit } from '../environment/deployment.ts';
import { ensureVersion } from '../environment/worker-upload.ts';
import { stagingIdentity } from '../staging/staging-identity.ts';

const BUDGET_MS = 5 * 60_000;

type Before = { split: DeploymentSplit[] | null };

/** Staging goes to the bypass version and back, as production would in an immediate rollback; both ways are timed. */
export function rollbackRehearsalStep(): Step<Before> {
  return {
    id: 'staging.rollback',
    title: 'Rollback rehearsed for real against staging',
    proves: [],
    look: async (context) => ({ split: await servingSplit(context, 'staging') }),
    async run(context) {
      const bypass = await ensureVersion(context, 'staging', 'bypass');
      const migration = await ensureVersion(context, 'staging', 'migration');
      const go = async (versionId: string, message: string): Promise<number> => {
        const start = performance.now();
        await ensureDeployed(context, 'staging', [{ versionId, percentage: 100 }], message);
        await until(
          () => askHealth(context, 'staging'),
          (health) => health.version.id === versionId,
          { timeoutMs: BUDGET_MS, everyMs: 100, signal: context.signal },
        );
        return Math.round(performance.now() - start);
      };
      return {
        toBypassMs: await go(bypass.version.id, 'rollback rehearsed'),
        backMs: await go(migration.version.id, 'and back'),
      };
    },
    async verify(context) {
      const deployments = await context.providers.cloudflare.listDeployments(
        context.config.environments.staging.worker.name,
      );
      const bypass = await ensureVersion(context, 'staging', 'bypass');
      const went = deployments.some((one) =>
        one.versions.some((v) => v.versionId === bypass.version.id && v.percentage === 100),
      );
      const health = await askHealth(context, 'staging');
      return verdict(went && health.build === 'r2', {
        summary: `staging ${went ? 'went' : 'did not go'} to the bypass version and now serves the ${health.build} build`,
        measured: { wentToBypass: went, servesNow: health.build, ...(await stagingIdentity(context)) },
        expected: { wentToBypass: true, servesNow: 'r2' },
      });
    },
    async compensate(context, before) {
      if (before.split === null) return { already: true };
      return { redeployed: await ensureDeployed(context, 'staging', before.split, 'back to the version before') };
    },
  };
}
