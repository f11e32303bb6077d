import type { JournalEvent } from '../rollout/journal-event.ts';
import { takenBack } from './phase-status.ts';
import { provenClaims } from '../phases/preparation/readiness-checks.ts';

/** Claims about how things stand; the others tell of what happened. */
const STATE = 'definitionOfDone.';

/** What the journal says of each boolean of the report: the event that shows it, or why it is not shown. */
export interface Claims {
  /** `true` only with a passing verdict in the journal; notes the evidence, or the reason, under the path. */
  claim(path: string): boolean;
  /** As `claim`, for what follows from other measures: `event` shows it, or `reason` says why not. */
  derive(path: string, event: JournalEvent | null, reason: string): boolean;
  /** Notes where a number comes from, or why it is `null`. */
  number(path: string, event: JournalEvent | null, reason: string): void;
  readonly evidence: Record<string, string>;
  readonly reasons: Record<string, string>;
}

/** Reads the verdicts once; the latest one for a path decides. */
export function readClaims(events: readonly JournalEvent[]): Claims {
  const proven = provenClaims(events);
  const failed = new Map<string, string>();
  for (const event of events) {
    if (event.kind !== 'check.verdict' || event.data.verdict.status === 'pass') continue;
    for (const path of event.data.proves) failed.set(path, `${event.data.title}: ${event.data.verdict.summary}`);
  }
  const evidence: Record<string, string> = {};
  const reasons: Record<string, string> = {};
  return {
    evidence,
    reasons,
    claim(path) {
      const event = proven.get(path);
      // What a rollback took back was so, and is no more.
      const back =
        event === undefined || event.phase === null || !path.startsWith(STATE)
          ? null
          : takenBack(events, event.phase, event.seq);
      if (back !== null) {
        reasons[path] = `rolled back since: ${back.decided.data.measure}`;
        return false;
      }
      if (event !== undefined) evidence[path] = event.id;
      else reasons[path] = failed.get(path) ?? 'not measured: no check of this version proves it yet';
      return event !== undefined;
    },
    derive(path, event, reason) {
      if (event === null) reasons[path] = reason;
      else evidence[path] = event.id;
      return event !== null;
    },
    number(path, event, reason) {
      if (event === null) reasons[path] = reason;
      else evidence[path] = event.id;
    },
  };
}
