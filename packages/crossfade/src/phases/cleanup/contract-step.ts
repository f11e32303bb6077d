import type { Stage } from '../../migrations/migration-files.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { Check, Step } from '../../rollout/plan.ts';
import { watchedTime } from '../watch/watched-time.ts';
import { verdict, type Verdict } from '../../rollout/verdict.ts';
import { bringTo, databaseStage } from '../environment/media-rows.ts';
import { keepAddressesInStep, triggered } from '../preparation/file-keys.ts';

/** What the triggers noted of writers who know the old column only; `agoMs` is the latest one's age by the database's clock. */
async function oldWrites({ providers }: RolloutContext): Promise<{ writes: number; agoMs: number | null }> {
  const [row] = await providers.database.production.query<{ writes: string; ago: string | null }>(
    `select case when w.is_called then w.last_value else 0 end as writes,
            case when w.is_called then extract(epoch from clock_timestamp()) * 1000 - t.last_value end as ago
     from crossfade_media.old_writes w, crossfade_media.old_write_at t`,
  );
  const ago = row?.ago ?? null;
  return { writes: Number(row?.writes ?? 0), agoMs: ago === null ? null : Number(ago) };
}

/** Whether nobody wrote the old column alone since the watch began. */
async function oldColumnQuiet(context: RolloutContext): Promise<Verdict> {
  const { urlColumn, keyColumn } = context.config.mediaRows;
  const watched = watchedTime(await context.history());
  if (watched === null) return verdict(false, { summary: 'the watch was not kept', measured: null, expected: 0 });
  const { writes, agoMs } = await oldWrites(context);
  const watchedMs = Date.now() - watched.since;
  const latest = agoMs === null ? 'never' : `${Math.round(agoMs / 1000)} s ago`;
  return verdict(agoMs === null || agoMs > watchedMs, {
    summary: `${urlColumn} was written without ${keyColumn} ${writes} times, the last time ${latest}; the watch began ${Math.round(watchedMs / 1000)} s ago`,
    measured: { writes, agoMs },
    expected: { agoMs: `none, or more than ${Math.round(watchedMs)}` },
    mend: `find who still writes ${urlColumn} and let it write ${keyColumn}, then: crossfade watch`,
  });
}

/** Nobody writes the old column any more: the evidence before nothing keeps it in step. */
export function oldColumnQuietCheck(): Check {
  return {
    id: 'cleanup.oldColumnQuiet',
    title: 'Nobody wrote file_url alone during the watch',
    proves: [],
    run: oldColumnQuiet,
  };
}

/** The old world is over: nothing keeps `file_url` in step any more. The column itself goes with the code that reads it. */
export function endFileUrlsStep(): Step<{ stage: Stage | null }> {
  return {
    id: 'cleanup.endFileUrls',
    title: 'Database rows no longer get a file_url',
    proves: [],
    look: async (context) => ({ stage: await databaseStage(context, 'production') }),
    async run(context, before) {
      if (before.stage !== 'contract') {
        // Somebody may have come back since the gate was measured.
        const quiet = await oldColumnQuiet(context);
        if (quiet.status !== 'pass') throw new Error(`the old column is still written: ${quiet.summary}`);
      }
      return bringTo(context, 'production', 'contract');
    },
    async verify(context) {
      const tables = await triggered(context);
      return verdict(tables.length === 0, {
        summary: tables.length === 0 ? 'no trigger is at work' : `still at work on ${tables.join(', ')}`,
        measured: tables,
        expected: [],
      });
    },
    async compensate(context, before) {
      if (before.stage === 'contract') return { already: true };
      return keepAddressesInStep(context);
    },
  };
}
