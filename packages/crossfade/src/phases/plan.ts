import type { Check, RolloutPlan } from '../rollout/plan.ts';
import type { RolloutConfig } from '../rollout/config.ts';
import { withSignOffs } from '../checks/team/sign-off-check.ts';
import { archivePhase, type ArchivePlaces } from './archive/archive-phase.ts';
import { cleanupPhase } from './cleanup/cleanup-phase.ts';
import { dnsPhase } from './cutover/dns-phase.ts';
import { monitorPhase } from './cutover/monitor-phase.ts';
import { verifyPhase } from './cutover/verify-phase.ts';
import { workerPhase } from './cutover/worker-phase.ts';
import { preparationPhase } from './preparation/preparation-phase.ts';
import { rollbacks } from './rollback/rollbacks.ts';
import { stagingPhase, stagingStepParts, stagingValidation } from './staging/staging-phase.ts';
import { watchPhase } from './watch/watch-phase.ts';

/** Phases outside of the cutover wait on people and on bytes; this only ends what hangs, ms. */
const PATIENCE_MS = 6 * 3600_000;

/** The whole of the PRD's plan for one config, first check to archive. */
export function rolloutPlan(
  config: RolloutConfig,
  options: { places: ArchivePlaces; journeys: readonly Check[] },
): RolloutPlan {
  const { worker, dns, verify, monitor, watch } = config.durations;
  return {
    phases: withSignOffs(config, [
      stagingPhase({
        deadlineMs: PATIENCE_MS,
        parts: [...stagingStepParts(), ...stagingValidation(options.journeys, true)],
      }),
      preparationPhase({ deadlineMs: PATIENCE_MS, keepsVersions: config.backup !== undefined }),
      workerPhase({ ...worker, percentages: config.rolloutSteps }),
      dnsPhase(dns),
      verifyPhase(verify),
      monitorPhase({ plannedMs: monitor.plannedMs, durationMs: monitor.deadlineMs }),
      watchPhase({ plannedMs: watch.plannedMs, durationMs: watch.deadlineMs }),
      cleanupPhase({ deadlineMs: PATIENCE_MS }),
      archivePhase({ deadlineMs: PATIENCE_MS, places: options.places }),
    ]),
    rollbacks: rollbacks(),
  };
}
