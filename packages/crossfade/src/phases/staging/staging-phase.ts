import { authCheck } from '../../checks/worker/auth.ts';
import { endpointsCheck } from '../../checks/worker/endpoints.ts';
import { deletionsCheck, previewsCheck, uploadsCheck } from '../../checks/r2/object-checks.ts';
import { bucketRulesCheck } from '../../checks/r2/rules-check.ts';
import { performanceChecks } from '../../checks/performance/performance-checks.ts';
import type { Check, Phase, Step } from '../../rollout/plan.ts';
import type { DeploymentSplit } from '../../providers/providers.ts';
import { verdict } from '../../rollout/verdict.ts';
import { bucketStep } from '../environment/bucket-step.ts';
import { ensureDeployed, servingSplit } from '../environment/deployment.ts';
import { frontendStep } from '../environment/frontend-step.ts';
import { limitsStep } from '../environment/limits-step.ts';
import { queueStep } from '../environment/queue-step.ts';
import { routeStep } from '../environment/route-step.ts';
import { ensureVersion } from '../environment/worker-upload.ts';

type WorkerBefore = { split: DeploymentSplit[] | null };

/** The migration build serves all of staging. */
function stagingWorkerStep(): Step<WorkerBefore> {
  return {
    id: 'staging.worker',
    title: 'Worker deployed to staging',
    proves: [],
    look: async (context) => ({ split: await servingSplit(context, 'staging') }),
    async run(context) {
      const { version, uploaded } = await ensureVersion(context, 'staging', 'migration');
      const deployed = await ensureDeployed(
        context,
        'staging',
        [{ versionId: version.id, percentage: 100 }],
        'staging',
      );
      return { versionId: version.id, tag: version.tag, uploaded, deployed };
    },
    async verify(context) {
      const { version } = await ensureVersion(context, 'staging', 'migration');
      const share =
        (await servingSplit(context, 'staging'))?.find((one) => one.versionId === version.id)?.percentage ?? 0;
      return verdict(share === 100, {
        summary: `version ${version.id} serves ${share} % of staging`,
        measured: share,
        expected: 100,
      });
    },
    async compensate(context, before) {
      // A Worker that was never deployed before cannot be un-deployed without deleting it; nobody depends on it.
      if (before.split === null) return { left: 'no earlier deployment to go back to' };
      return { redeployed: await ensureDeployed(context, 'staging', before.split, 'back to the version before') };
    },
  };
}

/** Staging exists, and what it promises is measured. `journeys` come from the rollout's own folder. */
export function stagingPhase(options: { deadlineMs: number; journeys: readonly Check[] }): Phase {
  return {
    id: 'staging',
    title: 'Staging',
    plannedMs: 30 * 60_000,
    deadlineMs: options.deadlineMs,
    gate: [],
    rollback: null,
    parts: [
      { kind: 'step', step: bucketStep('staging', []) },
      { kind: 'step', step: queueStep('staging') },
      { kind: 'step', step: limitsStep('staging') },
      { kind: 'step', step: stagingWorkerStep() },
      { kind: 'step', step: routeStep('staging', []) },
      { kind: 'step', step: frontendStep('staging') },
      {
        kind: 'checks',
        id: 'validation',
        mustPass: true,
        checks: [
          endpointsCheck('staging', ['staging.worker.endpoints']),
          authCheck('staging', ['staging.worker.auth']),
          uploadsCheck('staging', ['staging.r2.uploads']),
          previewsCheck('staging', ['staging.r2.previews']),
          deletionsCheck('staging', ['staging.r2.deletions']),
          bucketRulesCheck('staging', ['staging.r2.lifecycle']),
          ...options.journeys,
        ],
      },
      // Alone, so that the load measures the Worker and not the other checks.
      { kind: 'checks', id: 'performance', mustPass: true, checks: performanceChecks('staging') },
    ],
  };
}
