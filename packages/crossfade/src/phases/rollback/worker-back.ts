import type { RollbackStep } from '../../rollout/plan.ts';
import { until } from '../../rollout/until.ts';
import { verdict } from '../../rollout/verdict.ts';
import { askHealth, edgeAddress, ensureDeployed } from '../environment/deployment.ts';
import { ensureVersion } from '../environment/worker-upload.ts';

/** Writers first: from the next request on the bypass version serves, and what it stores goes to legacy. */
export function workerBack(): RollbackStep {
  return {
    id: 'rollback.worker',
    title: 'Worker back to the bypass version (legacy serves)',
    async byHand(context) {
      const { name } = context.config.environments.production.worker;
      const history = await context.history();
      const bypass = history.findLast((one) => one.kind === 'step.finished' && one.subject === 'production.bypass');
      const version = bypass?.kind === 'step.finished' ? JSON.stringify(bypass.data.result) : '';
      const id = /"versionId":"([^"]+)"/.exec(version)?.[1] ?? `$(npx wrangler versions list --name ${name})`;
      return `npx wrangler versions deploy ${id}@100% --name ${name} --yes`;
    },
    async run(context) {
      const { version } = await ensureVersion(context, 'production', 'bypass');
      return {
        deployed: await ensureDeployed(context, 'production', [{ versionId: version.id, percentage: 100 }], 'rollback'),
      };
    },
    async verify(context) {
      const { reading: health } = await until(
        () => askHealth(context, 'production', { via: edgeAddress(context) }),
        (one) => one.build === 'bypass',
        { timeoutMs: 10_000, everyMs: 100, signal: context.signal },
      );
      return verdict(health.build === 'bypass', {
        summary: `the edge serves the ${health.build} build`,
        measured: health.build,
        expected: 'bypass',
      });
    },
  };
}
