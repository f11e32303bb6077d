import type { DeploymentSplit } from '../../providers/providers.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { Phase, Step } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { parseHealth } from '../../checks/worker/media-client.ts';
import { checklistCheck, stagingStillHoldsCheck, stillCoveredCheck } from './cutover-gate.ts';
import { workerDeployedCheck } from '../preparation/worker-steps.ts';
import { edgeAddress, ensureDeployed, servingSplit } from '../environment/deployment.ts';
import { ensureVersion } from '../environment/worker-upload.ts';

const PROBES = 40;

async function wantedSplit(context: RolloutContext, percentage: number): Promise<DeploymentSplit[]> {
  const { version } = await ensureVersion(context, 'production', 'migration');
  if (percentage === 100) return [{ versionId: version.id, percentage: 100 }];
  const bypass = await ensureVersion(context, 'production', 'bypass');
  return [
    { versionId: bypass.version.id, percentage: 100 - percentage },
    { versionId: version.id, percentage },
  ];
}

/** One step of the gradual deployment, with its health gate: no probe may fail, and the split is what it should be. */
function percentageStep(percentage: number): Step<{ split: DeploymentSplit[] | null }> {
  return {
    id: `worker.to${percentage}`,
    title: `New version to ${percentage} %`,
    proves: [],
    look: async (context) => ({ split: await servingSplit(context, 'production') }),
    async run(context) {
      const split = await wantedSplit(context, percentage);
      return { split, deployed: await ensureDeployed(context, 'production', split, `new version to ${percentage} %`) };
    },
    async verify(context) {
      const { version } = await ensureVersion(context, 'production', 'migration');
      const { mediaOrigin } = context.config.environments.production.worker;
      let failed = 0;
      let fresh = 0;
      for (let probe = 0; probe < PROBES; probe++) {
        const response = await context.providers.http.request(`${mediaOrigin}/health`, { via: edgeAddress(context) });
        if (response.status !== 200) failed++;
        else if (parseHealth(response).version.id === version.id) fresh++;
      }
      const holds = failed === 0 && (percentage < 100 || fresh === PROBES);
      return verdict(holds, {
        summary: `${PROBES} probes at ${percentage} %: ${failed} failed, ${fresh} answered by the new version`,
        measured: { probes: PROBES, failed, fresh },
        expected: {
          failed: 0,
          fresh: percentage === 100 ? PROBES : `about ${Math.round((PROBES * percentage) / 100)}`,
        },
      });
    },
    byHand: ({ config }, before) =>
      `npx wrangler versions deploy ${(before.split ?? []).map((one) => `${one.versionId}@${one.percentage}%`).join(' ')} --name ${config.environments.production.worker.name} --yes`,
    async compensate(context, before) {
      if (before.split === null) return { already: true };
      // Once a rollback has put the bypass at 100 %, an older split would take the new version back in.
      const bypass = await ensureVersion(context, 'production', 'bypass');
      const target = [{ versionId: bypass.version.id, percentage: 100 }];
      return { deployed: await ensureDeployed(context, 'production', target, `undo of ${percentage} %`) };
    },
  };
}

/** Phase 1 of the PRD's cutover: the Worker, 1 → 10 → 50 → 100 %. */
export function workerPhase(options: { plannedMs: number; deadlineMs: number; percentages: readonly number[] }): Phase {
  return {
    id: 'cutover.worker',
    title: 'Cutover 1 · Worker',
    plannedMs: options.plannedMs,
    deadlineMs: options.deadlineMs,
    gate: [stagingStillHoldsCheck(), checklistCheck(), stillCoveredCheck(), workerDeployedCheck()],
    rollback: 'immediate',
    parts: options.percentages.map((percentage) => ({ kind: 'step' as const, step: percentageStep(percentage) })),
  };
}
