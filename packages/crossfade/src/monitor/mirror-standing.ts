import type { JournalEvent } from '../rollout/journal-event.ts';

/** The mirror back to legacy as the journal told last. */
export interface MirrorStanding {
  /** ISO time. */
  readonly at: string;
  /** Age of the oldest change that was not in legacy then, s. */
  readonly lagSeconds: number;
  readonly copied: number;
  readonly deleted: number;
  readonly unproven: number;
  /** `null` once a rollback has drained the queue. */
  readonly applied: number | null;
  readonly waiting: number | null;
}

/** `null` before the mirror began. */
export function mirrorStanding(events: readonly JournalEvent[]): MirrorStanding | null {
  const event = events.findLast((one) => one.kind === 'mirror.progressed' || one.kind === 'mirror.rested');
  if (event?.kind === 'mirror.progressed') {
    const { lagSeconds, copied, deleted, unproven, applied, waiting } = event.data;
    return { at: event.at, lagSeconds, copied, deleted, unproven, applied, waiting };
  }
  if (event?.kind !== 'mirror.rested') return null;
  const { lagSeconds, copied, deleted, unproven } = event.data;
  return { at: event.at, lagSeconds, copied, deleted, unproven, applied: null, waiting: null };
}

/** In a line for people. */
export function describeMirror({ lagSeconds, copied, deleted, waiting }: MirrorStanding): string {
  const left = waiting === null ? 'at rest' : `${waiting} events waiting`;
  return `mirror back to legacy: ${lagSeconds} s behind, ${copied} copied, ${deleted} deleted, ${left}`;
}
