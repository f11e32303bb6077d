import { authCheck } from '../../checks/worker/auth.ts';
import { endpointsCheck } from '../../checks/worker/endpoints.ts';
import { deletionsCheck, previewsCheck, uploadsCheck } from '../../checks/r2/object-checks.ts';
import { lifecycleCheck } from '../../checks/r2/lifecycle-check.ts';
import { quotasCheck, rateLimitingCheck } from '../../checks/worker/limits.ts';
import { performanceChecks } from '../../checks/performance/performance-checks.ts';
import type { Check, Part, Phase, Step } from '../../rollout/plan.ts';
import type { DeploymentSplit } from '../../providers/providers.ts';
import { verdict } from '../../rollout/verdict.ts';
import { bucketStep } from '../environment/bucket-step.ts';
import { ensureDeployed, servingSplit } from '../environment/deployment.ts';
import { databaseStep } from '../environment/database-step.ts';
import { dnsStep } from '../environment/dns-step.ts';
import { frontendStep } from '../environment/frontend-step.ts';
import { hyperdriveStep } from '../environment/hyperdrive-step.ts';
import { limitsStep } from '../environment/limits-step.ts';
import { queueStep } from '../environment/queue-step.ts';
import { routeStep } from '../environment/route-step.ts';
import { ensureVersion } from '../environment/worker-upload.ts';
import { stagingIdentityCheck } from './staging-identity.ts';

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

/**
 * What makes staging exist, in order: each looks first, so that running them again corrects drift and nothing else.
 * `takeOver`: the operator said that what somebody else made may be changed.
 */
export function stagingSteps(takeOver = false): Step[] {
  return [
    databaseStep('staging'),
    hyperdriveStep('staging'),
    bucketStep('staging', []),
    queueStep('staging'),
    limitsStep('staging'),
    stagingWorkerStep(),
    routeStep('staging', []),
    // After the route: a name that leads to the edge before finds nobody there.
    dnsStep(takeOver),
    frontendStep('staging'),
  ] as Step[];
}

/**
 * The measurements behind the fifteen booleans of `StagingValidation`. `journeys` come from the rollout's own folder.
 * With `mustPass` the first group that fails ends it; without, all are measured whatever came out.
 */
export function stagingValidation(journeys: readonly Check[], mustPass: boolean): Part[] {
  return [
    {
      kind: 'checks',
      id: 'validation',
      mustPass,
      checks: [
        stagingIdentityCheck(),
        endpointsCheck('staging', ['staging.worker.endpoints']),
        authCheck('staging', ['staging.worker.auth']),
        rateLimitingCheck('staging', ['staging.worker.rateLimiting']),
        quotasCheck('staging', ['staging.worker.quotas']),
        uploadsCheck('staging', ['staging.r2.uploads']),
        previewsCheck('staging', ['staging.r2.previews']),
        deletionsCheck('staging', ['staging.r2.deletions']),
        lifecycleCheck('staging', ['staging.r2.lifecycle']),
      ],
    },
    // By themselves: five browser windows and the rushes on the limits would only slow each other down.
    { kind: 'checks', id: 'journeys', mustPass, checks: journeys },
    // Alone, so that the load measures the Worker and not the other checks.
    { kind: 'checks', id: 'performance', mustPass, checks: performanceChecks('staging') },
  ];
}

/** Staging as a phase: the parts decide whether it is made, measured, or both. */
export function stagingPhase(options: { deadlineMs: number; parts: readonly Part[] }): Phase {
  return {
    id: 'staging',
    title: 'Staging',
    plannedMs: 30 * 60_000,
    deadlineMs: options.deadlineMs,
    gate: [],
    rollback: null,
    parts: options.parts,
  };
}

/** Staging's steps as parts of a phase. */
export const stagingStepParts = (takeOver = false): Part[] =>
  stagingSteps(takeOver).map((step) => ({ kind: 'step', step }));
