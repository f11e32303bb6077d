import type { RolloutContext } from '../../rollout/context.ts';
import { pause } from '../../rollout/pause.ts';
import type { RollbackStep } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import type { Mirror } from '../../transfer/mirror/mirror.ts';
import { mirrorRested } from '../mirror/mirror-ended.ts';
import { openMirror, switchTime } from '../mirror/open-mirror.ts';
import { drainPatienceMs, expectNoneFailing } from './data-back.ts';
import { readSettled } from './settled-objects.ts';

/**
 * Last of all once more: a request that the new version had begun when it was taken back may still write to R2 after the
 * mirror came to rest. Nobody can see such a request from outside, so it is given as long as the config says. Legacy is
 * written to again by then: events alone tell what is late, and what was deleted in legacy since stays so.
 */
export function lateWritesBack(): RollbackStep {
  return {
    id: 'rollback.lateWrites',
    title: 'Uploads that were under way when the Worker went back mirrored to legacy',
    // Never the whole bucket: it would bring back what was deleted in legacy since.
    async byHand({ config }) {
      const { worker, supabase } = config.environments.production;
      return `for each KEY that is named: rclone copyto r2:${worker.bucket}/KEY supabase:${supabase.bucket}/KEY`;
    },
    async run(context) {
      if ((await switchTime(context)) === null) return { switched: false };
      await waitForLateWrites(context);
      return withLateMirror(context, async (mirror) => {
        await mirror.drain(drainPatienceMs(context));
        const { copied, deleted, refused, failing } = mirror.state();
        expectNoneFailing(failing);
        const rested = mirrorRested(await context.history());
        if (rested !== null && copied + deleted + refused.length > 0) {
          const data = {
            ...rested,
            copied: rested.copied + copied,
            deleted: rested.deleted + deleted,
            refused: (rested.refused ?? 0) + refused.length,
          };
          await context.record({ kind: 'mirror.rested', data, subject: 'mirror' });
        }
        return { copied, deleted, refused: refused.length };
      });
    },
    async verify(context) {
      if ((await switchTime(context)) === null)
        return verdict(true, { summary: 'nobody wrote to R2', measured: null, expected: null });
      // Events of the bypass version go on coming, and have nothing left to do.
      const { settled, failed } = await withLateMirror(context, (mirror) => mirror.applyBatch());
      const late = settled.copied + settled.deleted;
      return verdict(late === 0 && failed.length === 0, {
        summary: `${late} more came late, ${failed.length} could not be mirrored`,
        measured: { late, failed: failed.map(({ key, reason }) => ({ key, reason })) },
        expected: { late: 0, failed: [] },
      });
    },
  };
}

async function waitForLateWrites(context: RolloutContext): Promise<void> {
  const back = (await context.history()).findLast(
    (event) => event.kind === 'compensation.finished' && event.subject === 'rollback.worker',
  );
  const since = back === undefined ? Date.now() : Date.parse(back.at);
  await pause(Math.max(0, since + context.config.transfer.mirror.lateWritesMs - Date.now()), context.signal);
}

async function withLateMirror<Answer>(
  context: RolloutContext,
  use: (mirror: Mirror) => Promise<Answer>,
): Promise<Answer> {
  const mirror = await openMirror(context, { settled: await readSettled(context) });
  try {
    return await use(mirror);
  } finally {
    await mirror.close();
  }
}
