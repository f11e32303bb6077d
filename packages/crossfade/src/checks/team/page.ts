import type { Page, Pager } from '../../providers/providers.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { JournalEvent } from '../../rollout/journal-event.ts';
import { planHash } from '../../rollout/plan-file.ts';
import { until } from '../../rollout/until.ts';

/** Asked again at most so often, ms: a vendor counts the questions. */
const SLOWEST_POLL_MS = 5000;
const FASTEST_POLL_MS = 100;

/** What the journal says of one page. Times in ms. */
export interface PageRecord {
  readonly to: string;
  readonly sentAt: number;
  /** `null`: no answer. */
  readonly answeredAfterMs: number | null;
}

/**
 * The same for the same page, so that a repeated step calls nobody twice. After a test that failed it is another:
 * people are called anew.
 */
export function pageToken(...about: readonly (string | number)[]): string {
  return planHash(about).slice(0, 32);
}

/** How often these failed so far, by the journal. */
export function failuresOf(history: readonly JournalEvent[], subjects: readonly string[]): number {
  return history.filter(
    (event) =>
      event.subject !== null &&
      subjects.includes(event.subject) &&
      (event.kind === 'step.failed' || (event.kind === 'check.verdict' && event.data.verdict.status === 'fail')),
  ).length;
}

export function findPage(history: readonly JournalEvent[], token: string): PageRecord | null {
  const sent = history.find((event) => event.kind === 'page.sent' && event.data.token === token);
  if (sent?.kind !== 'page.sent') return null;
  const answer = history.find((event) => event.kind === 'page.acknowledged' && event.data.token === token);
  const answeredAfterMs = answer?.kind === 'page.acknowledged' ? answer.data.ms : null;
  return { to: sent.data.to, sentAt: Date.parse(sent.at), answeredAfterMs };
}

/**
 * Calls one person and waits so long (ms) for the answer. What the journal already holds is not done again: an
 * interrupted wait goes on with what is left of it.
 */
export async function callPerson(
  context: RolloutContext,
  pager: Pager,
  page: Page,
  about: { subject: string; channel: string; waitMs: number },
): Promise<void> {
  const { token, to, level } = page;
  const { subject, channel, waitMs } = about;
  const earlier = findPage(await context.history(), token);
  if (earlier === null) {
    await pager.page(page);
    await context.record({
      kind: 'page.sent',
      data: { to, level, channel, token },
      subject,
      key: `page/${token}/sent`,
    });
  }
  if (earlier === null || earlier.answeredAfterMs === null) {
    const sentAt = earlier?.sentAt ?? Date.now();
    const everyMs = Math.min(SLOWEST_POLL_MS, Math.max(FASTEST_POLL_MS, waitMs / 50));
    const leftMs = Math.max(0, sentAt + waitMs - Date.now());
    const { good } = await until(
      () => pager.answered(token),
      (answered) => answered,
      // One more turn, so that the wait has passed in full.
      { timeoutMs: leftMs + everyMs, everyMs, signal: context.signal },
    );
    context.signal.throwIfAborted();
    if (good) {
      const ms = Date.now() - sentAt;
      await context.record({
        kind: 'page.acknowledged',
        data: { to, token, ms },
        subject,
        key: `page/${token}/answered`,
      });
    }
  }
  await pager.close(token);
}
