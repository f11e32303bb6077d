import type { Rollback, RolloutPlan } from '../../rollout/plan.ts';
import type { RestoreResult } from '../../transfer/backup/restore.ts';
import { databaseBack, frontendBack } from './app-back.ts';
import { mirrorBack, restoreData, restorePoint, type RestorePoint } from './data-back.ts';
import { dnsBack } from './dns-back.ts';
import { lateWritesBack } from './late-writes.ts';
import { prove, servedAgain } from './served-again.ts';
import { workerBack } from './worker-back.ts';

const MINUTE_MS = 60_000;
/** The plan's own rollback windows. */
const IMMEDIATE_MS = 5 * MINUTE_MS;
const FULL_MS = 15 * MINUTE_MS;

/**
 * Before DNS has moved only the Worker needs to go back; later it is what serves everybody from legacy at once, and
 * what was written to R2 by then follows.
 */
export function immediateRollback(): Rollback {
  return {
    kind: 'immediate',
    budgetMs: IMMEDIATE_MS,
    steps: [workerBack(), mirrorBack(), lateWritesBack()],
    scope: ['cutover.worker'],
    prove,
  };
}

/**
 * Readers go back to legacy by name. Writers and the mirror go before them, so that no reader arrives where an upload
 * has not.
 */
export function dnsRollback(): Rollback {
  return {
    kind: 'dns',
    budgetMs: IMMEDIATE_MS,
    steps: [workerBack(), mirrorBack(), dnsBack(), servedAgain(), lateWritesBack()],
    scope: ['cutover.worker', 'cutover.dns'],
    prove,
  };
}

/** Worker, data, database, DNS and front end go back, in this order: writers are drained, the mirror catches up, then readers move. */
export function fullRollback(): Rollback {
  return {
    kind: 'full',
    budgetMs: FULL_MS,
    steps: [workerBack(), mirrorBack(), databaseBack(), dnsBack(), frontendBack(), servedAgain(), lateWritesBack()],
    scope: ['cutover.worker', 'cutover.dns', 'cutover.verify', 'cutover.monitor', 'watch'],
    prove,
  };
}

/** R2 lost or spoilt objects: they come back from legacy, which holds them until clean-up. No traffic moves. */
export function dataRollback(): Rollback {
  return { kind: 'data', budgetMs: FULL_MS, steps: [restoreData()], scope: [], prove };
}

/** The media go back to a point in time. No traffic moves. */
export function pointInTimeRollback(point: RestorePoint, onResult: (result: RestoreResult) => void): Rollback {
  return { kind: 'data', budgetMs: FULL_MS, steps: [restorePoint(point, onResult)], scope: [], prove };
}

export const rollbacks = (): RolloutPlan['rollbacks'] => ({
  immediate: immediateRollback(),
  dns: dnsRollback(),
  full: fullRollback(),
  data: dataRollback(),
});
