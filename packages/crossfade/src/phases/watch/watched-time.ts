import type { JournalEvent } from '../../rollout/journal-event.ts';

/**
 * The time of the watch's own observation, epoch ms; `null` when the watch was not kept. It began after the caches had
 * let go and the last catch-up was done.
 */
export function watchedTime(
  history: readonly JournalEvent[],
): { readonly since: number; readonly until: number } | null {
  const end = history.findLast((event) => event.kind === 'check.verdict' && event.subject === 'watch.observation');
  if (end?.kind !== 'check.verdict') return null;
  const until = Date.parse(end.at);
  return { since: until - end.data.ms, until };
}
