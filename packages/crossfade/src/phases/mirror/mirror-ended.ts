import type { JournalEvent } from '../../rollout/journal-event.ts';
import type { PhaseId } from '../../rollout/plan.ts';

/** The phases beside which the mirror runs, in their order. */
const MIRRORED: readonly PhaseId[] = ['cutover.dns', 'cutover.verify', 'cutover.monitor', 'watch'];

/**
 * When the mirror came to its end, ISO 8601: what production wrote since has no version in the backup. `null` while it
 * runs, or is due to go on.
 */
export function mirrorEnded(events: readonly JournalEvent[]): string | null {
  const last = events.findLast(
    ({ kind, phase }) =>
      kind === 'mirror.rested' || (kind.startsWith('phase.') && phase !== null && MIRRORED.includes(phase)),
  );
  if (last === undefined) return null;
  const isOver = last.kind === 'mirror.rested' || (last.kind === 'phase.finished' && last.phase === MIRRORED.at(-1));
  return isOver ? last.at : null;
}

type Rested = Extract<JournalEvent, { kind: 'mirror.rested' }>['data'];

/**
 * What the mirror has done, and what it could not prove, since the last rollback was decided; `null` where it did not
 * come to rest in it.
 */
export function mirrorRested(events: readonly JournalEvent[]): Rested | null {
  const decided = events.findLast((event) => event.kind === 'rollback.decided')?.seq ?? 0;
  const rested = events.findLast((event) => event.kind === 'mirror.rested' && event.seq > decided);
  return rested?.kind === 'mirror.rested' ? rested.data : null;
}
