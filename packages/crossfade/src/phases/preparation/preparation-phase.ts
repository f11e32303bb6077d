import { bucketRulesCheck } from '../../checks/r2/rules-check.ts';
import { communicationCheck } from '../../checks/team/communication.ts';
import { escalationCheck } from '../../checks/team/escalation.ts';
import { onCallCheck } from '../../checks/team/on-call.ts';
import type { Phase } from '../../rollout/plan.ts';
import { bucketStep } from '../environment/bucket-step.ts';
import { hyperdriveStep } from '../environment/hyperdrive-step.ts';
import { limitsStep } from '../environment/limits-step.ts';
import { queueStep } from '../environment/queue-step.ts';
import { routeStep } from '../environment/route-step.ts';
import { backupStep } from './backup-step.ts';
import { copyIntactCheck } from './copy-intact-check.ts';
import { copyStep } from './copy-step.ts';
import { fileKeysStep } from './file-keys.ts';
import { keysCheck } from './keys-check.ts';
import { legacyLimitsCheck } from './legacy-limits.ts';
import { ownerPoliciesCheck } from './owner-policies.ts';
import { fromStaging, rollbackRehearsedCheck, signalArrivesCheck, STAGING_CLAIMS } from './readiness-checks.ts';
import { rollbackRehearsalStep } from './rollback-rehearsal.ts';
import { teamSteps } from './team-steps.ts';
import { lowerTtlStep, ttlRunOutCheck } from './ttl-step.ts';
import { bypassStep, candidateStep, workerDeployedCheck } from './worker-steps.ts';

const PERFORMANCE = STAGING_CLAIMS.filter((claim) => claim.startsWith('staging.performance.'));

/** Production stands ready beside the old system: everything in place, no traffic moved. */
export function preparationPhase(options: { deadlineMs: number; keepsVersions?: boolean }): Phase {
  return {
    id: 'preparation',
    title: 'Preparation',
    plannedMs: 24 * 3600_000,
    deadlineMs: options.deadlineMs,
    gate: [
      fromStaging('performanceValidated', "Staging's performance is proven", PERFORMANCE),
      fromStaging('securityValidated', "Staging's security is proven", ['staging.worker.auth']),
    ],
    rollback: null,
    parts: [
      // Before anything is changed: what a rollback could not bring back is known, and chosen, from the start.
      { kind: 'checks', id: 'limits', mustPass: true, checks: [legacyLimitsCheck(), ownerPoliciesCheck()] },
      // First, because the old TTL runs out while the rest is made ready.
      { kind: 'step', step: lowerTtlStep() },
      { kind: 'step', step: bucketStep('production', []) },
      { kind: 'step', step: queueStep('production') },
      { kind: 'step', step: hyperdriveStep('production') },
      { kind: 'step', step: limitsStep('production') },
      { kind: 'step', step: bypassStep() },
      { kind: 'step', step: candidateStep() },
      { kind: 'step', step: routeStep('production', []) },
      { kind: 'checks', id: 'keys', mustPass: true, checks: [keysCheck()] },
      { kind: 'step', step: copyStep() },
      ...(options.keepsVersions === true ? [{ kind: 'step' as const, step: backupStep() }] : []),
      { kind: 'step', step: fileKeysStep() },
      { kind: 'step', step: rollbackRehearsalStep() },
      ...teamSteps().map((step) => ({ kind: 'step' as const, step })),
      {
        kind: 'checks',
        id: 'checklist',
        mustPass: true,
        checks: [
          fromStaging('allTestsPassing', 'All fifteen of staging are proven', STAGING_CLAIMS),
          signalArrivesCheck('staging', 'preCutover.staging.monitoringOperational'),
          workerDeployedCheck(),
          copyIntactCheck(),
          bucketRulesCheck('production', ['preCutover.production.r2Configured']),
          ttlRunOutCheck(),
          signalArrivesCheck('production', 'preCutover.production.monitoringReady'),
          rollbackRehearsedCheck(),
          onCallCheck(),
          communicationCheck(),
          escalationCheck(),
        ],
      },
    ],
  };
}
