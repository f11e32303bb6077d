import type { WalkOutcome } from '../engine/walk.ts';
import type { JournalEvent } from '../rollout/journal-event.ts';
import { EXIT } from './exit-codes.ts';

/** What the compensations that failed leave to a person: the very commands. */
export function handWork(events: readonly JournalEvent[]): string[] {
  const begun = events.findLast((event) => event.kind === 'run.started')?.seq ?? 0;
  return events.flatMap((event) =>
    event.kind === 'compensation.failed' && event.seq > begun ? [`${event.data.title}: ${event.data.byHand}`] : [],
  );
}

/** A rollback that is incomplete says so in its reason, whoever asked for it. */
export function exitCodeOf({ outcome, reason }: WalkOutcome): number {
  if (outcome === 'completed') return EXIT.done;
  if (outcome === 'rolled-back') return EXIT.rolledBack;
  return reason?.startsWith('rollback incomplete') === true ? EXIT.rollbackIncomplete : EXIT.failed;
}
