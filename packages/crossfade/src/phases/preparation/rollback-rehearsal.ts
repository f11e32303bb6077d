import type { DeploymentSplit, WorkerDeployment } from '../../providers/providers.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { Step } from '../../rollout/plan.ts';
import { until } from '../../rollout/until.ts';
import { verdict } from '../../rollout/verdict.ts';
import { askHealth, ensureDeployed, servingSplit } from '../environment/deployment.ts';
import { ensureVersion } from '../environment/worker-upload.ts';
import { stagingIdentity } from '../staging/staging-identity.ts';

const ID = 'staging.rollback';
const BUDGET_MS = 5 * 60_000;

type Before = { split: DeploymentSplit[] | null };

/** Staging goes to the bypass version and back, as production would in an immediate rollback; both ways are timed. */
export function rollbackRehearsalStep(): Step<Before> {
  return {
    id: ID,
    title: 'Rollback rehearsed for real against staging',
    proves: [],
    look: async (context) => ({ split: await servingSplit(context, 'staging') }),
    async run(context) {
      const [there, back] = await namesOf(context);
      if (await isRehearsed(context, there, back)) return { already: true };
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
        toBypassMs: await go(bypass.version.id, there),
        backMs: await go(migration.version.id, back),
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

/**
 * What the two deployments of this rehearsal are called. Each later one of the same rollout has its number in it, so
 * that one whose controller died before it was noted is told from one that is due. Each begins with one look, which a
 * later life does not repeat.
 */
async function namesOf(context: RolloutContext): Promise<[there: string, back: string]> {
  const history = await context.history();
  const looks = history.filter((event) => event.kind === 'step.looked' && event.subject === ID).length;
  const number = looks <= 1 ? '' : ` (${looks})`;
  return [`rollback rehearsed${number}`, `back from the rehearsal${number}`];
}

/** Whether staging went there and back, and nothing was deployed since. */
async function isRehearsed(context: RolloutContext, there: string, back: string): Promise<boolean> {
  const { name } = context.config.environments.staging.worker;
  const [last, oneBefore] = await context.providers.cloudflare.listDeployments(name);
  const is = (deployment: WorkerDeployment | undefined, message: string): boolean =>
    deployment?.message === `${context.rollout}: ${message}`;
  return is(last, back) && is(oneBefore, there);
}
