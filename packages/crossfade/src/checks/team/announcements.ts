import type { RolloutContext } from '../../rollout/context.ts';
import { errorText } from '../../rollout/error-text.ts';
import type { JournalEvent } from '../../rollout/journal-event.ts';
import { within } from '../../rollout/within.ts';
import { messageHash, messageValues } from './communication.ts';
import { readMessages, renderMessage, type MESSAGES } from './messages.ts';

export const ANNOUNCEMENTS = 'team.announcements';
/** A message that is not taken by then counts as refused, ms. */
const DELIVERY_MS = 20_000;

export interface Moment {
  readonly message: (typeof MESSAGES)[number];
  /** Why a rollback was begun. */
  readonly reason: string;
}

/** What the team and the public are told when this happens; `null` when it is nothing to be told. */
export function momentOf(event: JournalEvent, history: readonly JournalEvent[]): Moment | null {
  switch (event.kind) {
    case 'gate.decided':
      // With the gate open, not with the phase: a cutover that is refused has not begun.
      return event.phase === 'cutover.worker' && event.data.status === 'open'
        ? { message: 'cutover-started', reason: '' }
        : null;
    case 'phase.finished':
      if (event.data.status !== 'passed') return null;
      if (event.phase === 'cutover.monitor') return { message: 'cutover-done', reason: '' };
      return event.phase === 'watch' ? { message: 'all-clear', reason: '' } : null;
    case 'rollback.decided':
      // Restoring data moves no traffic.
      return event.data.kind === 'data' ? null : { message: 'rollback-started', reason: event.data.measure };
    case 'rollback.finished': {
      if (event.data.kind === 'data' || !event.data.complete) return null;
      const decided = history.findLast((one) => one.kind === 'rollback.decided' && one.seq < event.seq);
      const reason = decided?.kind === 'rollback.decided' ? decided.data.measure : '';
      return { message: 'rollback-done', reason };
    }
    default:
      return null;
  }
}

export interface Announcer {
  /** All that was to be told is told, or noted as refused. Rejects when the journal did not take it. */
  settled(): Promise<void>;
  stop(): void;
}

export interface AnnouncedJournal {
  subscribe(listener: (event: JournalEvent) => void): () => void;
}

/**
 * Sends each message of the communication plan at its moment, beside the walk: nobody waits for a channel but `settled`.
 * What an earlier life of the same run (events after `since`) did not get to is told first; what it told is not repeated.
 */
export function startAnnouncer(context: RolloutContext, journal: AnnouncedJournal, since: number): Announcer {
  let last: Promise<void> = Promise.resolve();
  const next = (work: () => Promise<void>): void => {
    last = last.then(work);
    // It is told by `settled`; until then it must not end the process.
    last.catch(() => {});
  };
  const announce = async (event: JournalEvent): Promise<void> => {
    // A later life of this run tells what this one cannot any more.
    if (context.signal.aborted) return;
    const history = await context.history();
    const moment = momentOf(event, history);
    const told = history.some((one) => one.kind === 'message.sent' && one.data.moment === event.id);
    if (moment !== null && !told) await send(context, event, moment);
  };
  // Nobody can be told anything where no channel is configured; preparation's gate demands one.
  if (context.providers.channels.size === 0) return { settled: async () => {}, stop: () => {} };
  next(async () => {
    for (const event of await context.history()) if (event.seq > since) await announce(event);
  });
  const unsubscribe = journal.subscribe((event) => {
    if (momentOf(event, []) !== null) next(() => announce(event));
  });
  return { settled: () => last, stop: unsubscribe };
}

async function send(context: RolloutContext, event: JournalEvent, { message, reason }: Moment): Promise<void> {
  const about = { channel: '', hash: '' };
  let refused: string | null = null;
  try {
    await within(DELIVERY_MS, deliver(context, event, { message, reason }, about));
  } catch (error) {
    refused = errorText(error);
  }
  if (context.signal.aborted) return;
  await context.record({
    kind: 'message.sent',
    data: { message, ...about, refused, moment: event.id },
    subject: ANNOUNCEMENTS,
    key: `announcement/${message}/${event.id}`,
  });
}

/** Notes in `about` what it found out on the way, so that a refusal can be told of the right channel. */
async function deliver(
  context: RolloutContext,
  event: JournalEvent,
  { message, reason }: Moment,
  about: { channel: string; hash: string },
): Promise<void> {
  const templates = await readMessages(context.config.team.communications);
  const template = templates.find((one) => one.name === message);
  if (template === undefined) throw new Error(`there is no message ${message}`);
  about.channel = template.channel;
  about.hash = messageHash(template);
  const channel = context.providers.channels.get(template.channel);
  if (channel === undefined) throw new Error(`the channel ${template.channel} is not configured`);
  // A gap in the text is better than silence: preparation has tried the same file.
  const { title, text } = renderMessage(template, await messageValues(context, reason));
  const dedupKey = `${context.rollout}:${message}:${event.id}`;
  await channel.send({ title, text, severity: 'info', dedupKey, details: { message, test: false } });
}
