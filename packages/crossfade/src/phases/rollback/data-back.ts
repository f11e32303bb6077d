import type { ObjectStore } from '../../providers/providers.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { errorText } from '../../rollout/error-text.ts';
import type { RollbackStep } from '../../rollout/plan.ts';
import { toJson } from '../../rollout/json.ts';
import { verdict } from '../../rollout/verdict.ts';
import { restoreTo, type RestoreOptions, type RestoreResult } from '../../transfer/backup/restore.ts';
import type { Refusal } from '../../transfer/mirror/refusals.ts';
import type { SweepResult } from '../../transfer/mirror/sweep.ts';
import { mirrorEnded } from '../mirror/mirror-ended.ts';
import { openMirror, switchTime } from '../mirror/open-mirror.ts';
import { readSettled, recentObjects, SETTLED_OBJECTS } from './settled-objects.ts';
import { copyToR2, missingInLegacy, verifyInR2 } from '../transfer-pass.ts';

/** A message that is leased to a process that died comes again by then; so much longer is waited for it, ms. */
const LEASE_MARGIN_MS = 2000;
export const drainPatienceMs = ({ config }: RolloutContext): number =>
  config.transfer.mirror.visibilityMs + LEASE_MARGIN_MS;
const MOST_NAMED = 20;

/**
 * Then the mirror comes to rest: the queue is drained, and a sweep compares both sides, so that each upload, overwrite
 * and delete that production made since the switch is in legacy. Its rows have their public URL by trigger.
 */
export function mirrorBack(): RollbackStep {
  /** By the sweep of the latest attempt, which is verified right after it. */
  let kept: ReadonlySet<string> = new Set();
  let refused: readonly Refusal[] = [];
  return {
    id: 'rollback.mirror',
    title: 'Uploads and deletes made since the switch mirrored back to legacy',
    async byHand({ config }) {
      const { worker, supabase } = config.environments.production;
      const [from, to] = [`r2:${worker.bucket}`, `supabase:${supabase.bucket}`];
      return `rclone copy --update --checksum ${from} ${to} && rclone check --one-way ${from} ${to}`;
    },
    async run(context) {
      // Before the switch nobody wrote to R2, and what it lacks is the copy's affair.
      if ((await switchTime(context)) === null) return { switched: false };
      const rested = await comeToRest(context);
      kept = new Set(rested.kept);
      refused = rested.refused;
      const { keys, copied, deleted, unproven } = rested;
      return {
        keys,
        copied,
        deleted,
        kept: kept.size,
        unproven: unproven.length,
        refused: refused.slice(0, MOST_NAMED),
      };
    },
    async verify(context) {
      const settled = new Set([...kept, ...refused.map(({ key }) => key)]);
      const missing = (await switchTime(context)) === null ? [] : await missingInLegacy(context, settled);
      // Nothing is left to try for what legacy refuses: it is named as lost, and does not keep readers in the new world.
      const lost =
        refused.length === 0
          ? ''
          : `; legacy refuses ${refused.length} more, which stay in R2 alone: ${named(refused)}`;
      return verdict(missing.length === 0, {
        summary: `${missing.length} objects of R2 are missing in legacy${lost}`,
        measured: { missing: missing.slice(0, MOST_NAMED), refused: toJson(refused.slice(0, MOST_NAMED)) },
        expected: { missing: [] },
      });
    },
  };
}

/** @throws Error with the keys that could not be brought in step, or why the queue could not be drained */
async function comeToRest(context: RolloutContext): Promise<SweepResult> {
  // A rollback that is run again finds legacy written to.
  const mirror = await openMirror(context, { settled: await readSettled(context) });
  try {
    // The sweep finds what a queue that does not answer holds back; only then is it told.
    const undrained = await mirror.drain(drainPatienceMs(context)).then(
      () => null,
      (error: unknown) => errorText(error),
    );
    const recent = recentObjects(Date.now());
    const swept = await mirror.sweep({ settledBefore: null, onListed: recent.note });
    const { kept, unproven, refused } = swept;
    const { lagSeconds, copied, deleted, failing } = mirror.state();
    await context.keep('rollback/mirror.json', JSON.stringify({ ...swept, lagSeconds, failing, undrained }, null, 2));
    const data = {
      copied,
      deleted,
      kept: kept.length,
      unproven: unproven.length,
      refused: refused.length,
      lagSeconds,
    };
    await context.record({ kind: 'mirror.rested', data, subject: 'mirror' });
    if (undrained !== null) throw new Error(`the queue of media events could not be drained: ${undrained}`);
    expectNoneFailing(failing);
    await context.keep(SETTLED_OBJECTS, JSON.stringify(recent.objects()));
    return swept;
  } finally {
    await mirror.close();
  }
}

/** @throws Error that names what the mirror could not bring in step */
export function expectNoneFailing(failing: readonly { readonly key: string; readonly reason: string }[]): void {
  if (failing.length === 0) return;
  throw new Error(`not in legacy yet: ${named(failing)}`);
}

const named = (objects: readonly { readonly key: string; readonly reason: string }[]): string =>
  objects
    .slice(0, MOST_NAMED)
    .map(({ key, reason }) => `${key} (${reason})`)
    .join(', ');

/** R2 holds again what legacy holds: what is missing there or differs is copied anew, and all of it verified. */
export function restoreData(): RollbackStep {
  return {
    id: 'rollback.data',
    title: 'R2 restored from legacy, object by object',
    async byHand({ config }) {
      const { worker, supabase } = config.environments.production;
      const [from, to] = [`supabase:${supabase.bucket}`, `r2:${worker.bucket}`];
      return `rclone copy --checksum ${from} ${to} && rclone check --one-way ${from} ${to}`;
    },
    run: (context) => copyToR2(context, 'restore'),
    async verify(context) {
      const result = await verifyInR2(context, 'restore');
      return verdict(result.objects > 0 && result.missing === 0 && result.mismatched === 0, {
        summary: `${result.verified} of ${result.objects} objects verified in R2`,
        measured: { ...result },
        expected: { missing: 0, mismatched: 0 },
      });
    },
  };
}

/** The media bucket's backup. Throws when the config names none. */
export function backupOf({ providers }: Pick<RolloutContext, 'providers'>): ObjectStore {
  if (providers.backup === null) throw new Error('no backup bucket is configured (backup.bucket)');
  return providers.backup;
}

/** What `crossfade rollback data --to` names. `beside` is another bucket than the media's; `null` restores in place. */
export interface RestorePoint {
  /** Epoch ms. */
  readonly toMs: number;
  readonly beside: ObjectStore | null;
}

/** Brings the media, or the bucket beside, to that point in time. */
export function restoreMedia(
  context: Pick<RolloutContext, 'config' | 'providers' | 'signal'>,
  { toMs, beside }: RestorePoint,
  options: Pick<RestoreOptions, 'dryRun' | 'onChange'>,
): Promise<RestoreResult> {
  const { config, providers, signal } = context;
  return restoreTo({
    backup: backupOf(context),
    target: beside ?? providers.r2.production,
    inPlace: beside === null,
    toMs,
    concurrency: config.transfer.concurrency,
    signal,
    ...options,
  });
}

/**
 * While the mirror is due to go on, events may wait in the queue that no process reads just now: between two commands,
 * say. What they tell of is kept first, since the restore would not know of it. Throws what the queue answers.
 */
async function readWaitingEvents(context: RolloutContext): Promise<void> {
  const isDue = (await switchTime(context)) !== null && mirrorEnded(await context.history()) === null;
  if (!isDue) return;
  const mirror = await openMirror(context);
  try {
    await mirror.drain(drainPatienceMs(context));
  } finally {
    await mirror.close();
  }
}

/** The media as they were at a point in time: from the versions in the backup bucket, each proven before it is put back. */
export function restorePoint(point: RestorePoint, onResult: (result: RestoreResult) => void): RollbackStep {
  const to = new Date(point.toMs).toISOString();
  const place = point.beside === null ? 'in place' : `into ${point.beside.label}`;
  return {
    id: 'rollback.data',
    title: `Media restored ${place} as of ${to}`,
    byHand: async ({ config }) =>
      `crossfade rollback data --to ${to} names what is missing; what is whole lies in r2:${config.backup?.bucket ?? ''}/versions`,
    async run(context) {
      await readWaitingEvents(context);
      const result = await restoreMedia(context, point, { dryRun: false });
      onResult(result);
      await context.keep('transfer/restore.json', JSON.stringify({ to, place, ...result }, null, 2));
      const { failures, ...counts } = result;
      return { to, ...counts, failures: failures.slice(0, 20) };
    },
    async verify(context) {
      // Looks anew, at both: nothing may be left to do.
      const left = await restoreMedia(context, point, { dryRun: true });
      const changes = left.restored + left.overwritten + left.deleted;
      return verdict(changes === 0 && left.failed === 0, {
        summary: `${left.unchanged} of ${left.objects} objects are as of ${to}, ${changes} are not, ${left.failed} cannot be restored`,
        measured: { objects: left.objects, unchanged: left.unchanged, changes, failed: left.failed },
        expected: { changes: 0, failed: 0 },
      });
    },
  };
}
