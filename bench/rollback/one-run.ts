import { ensureVersion } from '@crossfade/crossfade/phases/environment/worker-upload';
import type { Controller } from '@crossfade/crossfade/engine/controller';
import { createFaultControl } from '@crossfade/crossfade/rehearsal/fault-control';
import { buildReport } from '@crossfade/crossfade/report/build-report';
import type { RolloutPlan } from '@crossfade/crossfade/rollout/plan';
import type { Stand } from '../stand.ts';

/** Share of the new version's requests that fail. */
export type Share = 1 | 0.2;

/** One cutover, one fault, one rollback. Times in ms. */
export interface RunResult {
  readonly rollout: string;
  readonly share: Share;
  readonly measure: string;
  /** As the report says: from the first sign of trouble. */
  readonly detectedMs: number;
  readonly recoveredMs: number | null;
  /** From the planting of the fault, by the journal: to the decision, and to the last request that failed. */
  readonly plantedToDecidedMs: number;
  readonly plantedToRecoveredMs: number;
  readonly failed: number;
  readonly lostUploads: number | null;
}

/** A fault comes at any moment of the sampling: so far it is spread over, ms. */
const SPREAD_MS = 2000;
/** Longer than any rollback takes, s. */
const FAULT_SECONDS = 300;

/** @throws Error when the run does not end rolled back */
export async function runOnce(stand: Stand, plan: RolloutPlan, rollout: string, share: Share): Promise<RunResult> {
  const { providers, world } = stand;
  const { audience } = providers;
  if (audience === null) throw new Error('the stand has no audience');
  const faults = createFaultControl(world.controlUrl);
  const controller = await stand.open(rollout, plan);
  try {
    const before = await audience.stats();
    const broken = Promise.withResolvers<never>();
    let planting: Promise<number> | null = null;
    controller.journal.subscribe((event) => {
      if (event.kind !== 'phase.started' || event.phase !== 'cutover.monitor') return;
      planting = plant(controller, share, faults.plant);
      planting.catch(broken.reject);
    });
    const outcome = await Promise.race([controller.run(), broken.promise]);
    const plantedAt: number | null = await planting;
    if (outcome.outcome !== 'rolled-back' || plantedAt === null)
      throw new Error(`${rollout} ended ${outcome.outcome}: ${outcome.reason}`);
    await controller.context.record({ kind: 'rollout.finished', data: outcome, key: 'rollout/finished' });
    const events = await controller.journal.read();
    const { rollback } = buildReport(events);
    const decided = events.find((event) => event.kind === 'rollback.decided');
    const after = await audience.stats();
    if (rollback === null || decided === undefined || after.lastFailureAt === null)
      throw new Error(`${rollout}: the journal does not say what was rolled back, or nobody noticed the fault`);
    return {
      rollout,
      share,
      measure: rollback.measure,
      detectedMs: rollback.detectedMs,
      recoveredMs: rollback.recoveredMs,
      plantedToDecidedMs: Date.parse(decided.at) - plantedAt,
      plantedToRecoveredMs: Date.parse(after.lastFailureAt) - plantedAt,
      failed: after.failed - before.failed,
      lostUploads: rollback.lostUploads,
    };
  } finally {
    await faults.clear();
    await controller.close();
  }
}

/** Answers with when the fault was planted, epoch ms. */
async function plant(
  { context }: Controller,
  share: Share,
  plantFault: ReturnType<typeof createFaultControl>['plant'],
): Promise<number> {
  const { version } = await ensureVersion(context, 'production', 'migration');
  await new Promise((resolve) => setTimeout(resolve, Math.random() * SPREAD_MS));
  const at = Date.now();
  await plantFault({ kind: 'failing-version', seconds: FAULT_SECONDS, versionId: version.id, share });
  return at;
}
