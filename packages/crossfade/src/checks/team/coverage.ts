import type { Shift } from '../../providers/providers.ts';
import type { RolloutConfig } from '../../rollout/config.ts';

/** Epoch ms; `until` is no more part of it. */
export interface Span {
  readonly from: number;
  readonly until: number;
}

/** What must be covered: from now to the end of the cutover and the watch. */
export function watchSpan(durations: RolloutConfig['durations'], now: number): Span {
  const ms = Object.values(durations).reduce((sum, { deadlineMs }) => sum + deadlineMs, 0);
  return { from: now, until: now + ms };
}

/** When nobody is on call within the span. */
export function gapsIn(shifts: readonly Shift[], span: Span): Span[] {
  const gaps: Span[] = [];
  let covered = span.from;
  for (const { from, until } of shifts.toSorted((a, b) => a.from - b.from)) {
    if (covered >= span.until) break;
    if (from > covered) gaps.push({ from: covered, until: Math.min(from, span.until) });
    covered = Math.max(covered, until);
  }
  if (covered < span.until) gaps.push({ from: covered, until: span.until });
  return gaps;
}

/** Who is called at that time; `null` when nobody is on call. Of two the first listed. */
export function onCallAt(shifts: readonly Shift[], at: number): string | null {
  return shifts.find(({ from, until }) => from <= at && at < until)?.person ?? null;
}

/** To the minute, and to the second where that says more. */
export function clock(at: number): string {
  return new Date(at).toISOString().replace(/(:00)?\.\d+Z$/, 'Z');
}
