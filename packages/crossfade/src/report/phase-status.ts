import type { JournalEvent } from '../rollout/journal-event.ts';
import { ROLLBACK_SCOPES, type PhaseId } from '../rollout/plan.ts';
import type { CutoverReport, PhaseStatus, RolloutReport } from '../rollout/report-shapes.ts';

const CHAPTERS = ['staging', 'preparation', 'cutover', 'watch', 'cleanup', 'archive'] as const;
export const CUTOVER = {
  phase1: 'cutover.worker',
  phase2: 'cutover.dns',
  phase3: 'cutover.verify',
  phase4: 'cutover.monitor',
} as const satisfies Record<string, PhaseId>;

type Decided = Extract<JournalEvent, { kind: 'rollback.decided' }>;
type Ended = Extract<JournalEvent, { kind: 'rollback.finished' }>;

/** The last rollback that took a phase back after `seq`; `null` when it stands. `ended` is `null` while it goes on. */
export function takenBack(
  events: readonly JournalEvent[],
  phase: PhaseId,
  seq: number,
): { decided: Decided; ended: Ended | null } | null {
  const decided = events.findLast(
    (event): event is Decided =>
      event.kind === 'rollback.decided' && event.seq > seq && ROLLBACK_SCOPES[event.data.kind].includes(phase),
  );
  if (decided === undefined) return null;
  const ended = events.find((event): event is Ended => event.kind === 'rollback.finished' && event.seq > decided.seq);
  return { decided, ended: ended ?? null };
}

/** The rollback after which the cutover does not stand; `null` when it stands, or was begun anew since. */
export function rolledBackSince(events: readonly JournalEvent[]): { decided: Decided; ended: Ended | null } | null {
  const begun = events.findLast((event) => event.kind === 'phase.started' && event.phase === CUTOVER.phase1);
  return begun === undefined ? null : takenBack(events, CUTOVER.phase1, begun.seq);
}

interface Standing {
  readonly status: PhaseStatus;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
}

/** A phase that was begun again is judged by its last time; one that passed and was then taken back stands no more. */
function statusOfOne(events: readonly JournalEvent[], id: PhaseId): Standing {
  const started = events.findLast((event) => event.kind === 'phase.started' && event.phase === id);
  if (started === undefined) return { status: 'not-run', startedAt: null, endedAt: null };
  const ended = events.findLast(
    (event) => event.kind === 'phase.finished' && event.phase === id && event.seq > started.seq,
  );
  const at = { startedAt: started.at, endedAt: ended?.at ?? null };
  if (ended?.kind !== 'phase.finished') return { status: 'not-run', ...at };
  const back = ended.data.status === 'passed' ? takenBack(events, id, ended.seq) : null;
  if (back === null) return { status: ended.data.status, ...at };
  // Half taken back is neither here nor there: a person is needed.
  return { status: back.ended?.data.complete === true ? 'rolled-back' : 'failed', ...at };
}

function statusOf(events: readonly JournalEvent[], ids: readonly PhaseId[]): Standing {
  const all = ids.map((id) => statusOfOne(events, id));
  const has = (status: PhaseStatus): boolean => all.some((one) => one.status === status);
  const times = (read: (one: Standing) => string | null): string[] =>
    all.flatMap((one) => read(one) ?? []).toSorted((a, b) => (a < b ? -1 : 1));
  const status = has('failed')
    ? 'failed'
    : has('rolled-back')
      ? 'rolled-back'
      : has('not-run')
        ? 'not-run'
        : ('passed' as const);
  return {
    status,
    startedAt: times((one) => one.startedAt)[0] ?? null,
    endedAt: times((one) => one.endedAt).at(-1) ?? null,
  };
}

export function chapters(events: readonly JournalEvent[]): RolloutReport['phases'] {
  return CHAPTERS.map((id) => ({ id, ...statusOf(events, id === 'cutover' ? Object.values(CUTOVER) : [id]) }));
}

export function cutoverReport(events: readonly JournalEvent[]): CutoverReport {
  const one = (id: PhaseId): CutoverReport['phase1'] => {
    const end = events.findLast((event) => event.kind === 'phase.finished' && event.phase === id);
    return {
      status: statusOfOne(events, id).status,
      seconds: end?.kind === 'phase.finished' ? end.data.seconds : null,
    };
  };
  return {
    phase1: one(CUTOVER.phase1),
    phase2: one(CUTOVER.phase2),
    phase3: one(CUTOVER.phase3),
    phase4: one(CUTOVER.phase4),
  };
}
