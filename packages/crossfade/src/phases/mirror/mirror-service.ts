import { isDeepStrictEqual } from 'node:util';
import { errorText } from '../../rollout/error-text.ts';
import { openAlertBook, type AlertBook } from '../../monitor/alerts.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { pause } from '../../rollout/pause.ts';
import { toJson } from '../../rollout/json.ts';
import type { MirrorService } from '../../rollout/plan.ts';
import type { Mirror } from '../../transfer/mirror/mirror.ts';
import type { MirrorState } from '../../transfer/mirror/mirror-tally.ts';
import { openMirror, switchTime, type OpenMirrorOptions } from './open-mirror.ts';

/** The journal is told of the mirror's progress at most so often, ms. */
const TELL_EVERY_MS = 2000;
/** When it is stopped, what is under way may end within so long, ms. */
const GRACE_MS = 5000;
const BEGIN_ANEW_MS = 5000;

/**
 * Mirrors R2 to legacy beside the phases, from the switch to the end of the watch. Nothing that fails here ends a
 * rollout: what could not be mirrored stays in the queue, shows as lag, and warns when that is over its bound.
 */
export function createMirrorService(options: Pick<OpenMirrorOptions, 'onEvent'> = {}): MirrorService {
  const stopping = new AbortController();
  const over = new AbortController();
  let running: Promise<void> | null = null;

  async function run(given: RolloutContext): Promise<void> {
    const context = { ...given, signal: AbortSignal.any([given.signal, over.signal]) };
    const stop = AbortSignal.any([given.signal, stopping.signal]);
    const { pollMs, sweepEveryMs, maxLagSeconds } = context.config.transfer.mirror;
    const mirror = await openMirror(context, { ...options, isStopping: () => stop.aborted });
    const alerts = openAlertBook(context);
    const tell = createTeller(context, mirror);
    const sweeps = createSweeps(context, mirror, sweepEveryMs);
    try {
      while (!stop.aborted) {
        // An error is in the mirror's own state, and shows as lag.
        const batch = await mirror.applyBatch().catch(() => null);
        sweeps.beginWhenDue();
        judgeLag(alerts, mirror.state(), maxLagSeconds);
        judgeRefused(alerts, mirror.state());
        await tell(false);
        if (batch === null || batch.acked === 0 || batch.backlog <= batch.acked) await pause(pollMs, stop);
      }
    } finally {
      await sweeps.settled();
      await mirror.close();
      if (!given.signal.aborted) {
        await tell(true);
        await alerts.settled();
      }
    }
  }

  return {
    start(context) {
      running ??= (async () => {
        while (!stopping.signal.aborted && !context.signal.aborted) {
          try {
            await run(context);
          } catch (error) {
            // The rollout goes on: a rollback drains the queue itself, and proves it.
            if (context.signal.aborted) return;
            const text = `the mirror back to legacy broke off, and begins anew: ${errorText(error)}`;
            await context.record({ kind: 'note', data: { text }, subject: 'mirror' }).catch(() => null);
            await pause(BEGIN_ANEW_MS, stopping.signal);
          }
        }
      })();
    },
    async stop() {
      stopping.abort(new Error('the mirror is being stopped'));
      const late = setTimeout(() => over.abort(new Error('the mirror was stopped')), GRACE_MS);
      await running;
      clearTimeout(late);
    },
  };
}

/** Sweeps beside the events, one at a time, from the switch on: before, what both sides hold is the copy's affair. */
function createSweeps(
  context: RolloutContext,
  mirror: Mirror,
  everyMs: number,
): { beginWhenDue(): void; settled(): Promise<void> } {
  let endedAt = performance.now();
  let settledBefore: number | null = null;
  let underWay: Promise<void> | null = null;
  async function once(): Promise<void> {
    if ((await switchTime(context)) === null) return;
    const began = Date.now();
    const { failed } = await mirror.sweep({ settledBefore });
    if (failed.length === 0) settledBefore = began;
  }
  return {
    beginWhenDue() {
      if (underWay !== null || performance.now() - endedAt < everyMs) return;
      // An error is in the mirror's own state, and shows as lag.
      underWay = once()
        .catch(() => {})
        .finally(() => {
          endedAt = performance.now();
          underWay = null;
        });
    },
    async settled() {
      await underWay;
    },
  };
}

function judgeLag(alerts: AlertBook, { lagSeconds, waiting, failing, error }: MirrorState, bound: number): void {
  if (lagSeconds <= bound) {
    alerts.resolve('mirrorLag', { lagSeconds });
    return;
  }
  const trouble = {
    measure: 'age of the oldest change in R2 that is not in legacy',
    measured: toJson({ lagSeconds, waiting, failing: failing.slice(0, 5), error }),
    expected: { lagSeconds: `<= ${bound}` },
    since: new Date(Date.now() - lagSeconds * 1000).toISOString(),
  };
  alerts.fire('mirrorLag', trouble, 'Uploads are safe in R2; a rollback would take longer.');
}

/** One alert for all that legacy refuses: the journal names each of them. */
function judgeRefused(alerts: AlertBook, { refused }: MirrorState): void {
  if (refused.length === 0) {
    alerts.resolve('legacyRefuses', { refused: 0 });
    return;
  }
  const trouble = {
    measure: 'objects in R2 that the old store refuses for their key, size, type or metadata',
    measured: toJson({ refused: refused.length, first: refused.slice(0, 5) }),
    expected: { refused: 0 },
    since: new Date().toISOString(),
  };
  alerts.fire('legacyRefuses', trouble, 'They are safe in R2; a rollback would lose them.');
}

/** Records what has changed, seldom enough. */
function createTeller(context: RolloutContext, mirror: Mirror): (last: boolean) => Promise<void> {
  let toldAt = -Infinity;
  let told: object | null = null;
  return async (last) => {
    const { error: _error, failing, refused, ...counts } = mirror.state();
    const data = { ...counts, refused: refused.length, failing: failing.length };
    if ((!last && performance.now() - toldAt < TELL_EVERY_MS) || isDeepStrictEqual(data, told)) return;
    toldAt = performance.now();
    await context.record({ kind: 'mirror.progressed', data, subject: 'mirror' });
    told = data;
  };
}
