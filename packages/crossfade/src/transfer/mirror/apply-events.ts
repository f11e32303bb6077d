import type { PulledMessages, QueueMessage } from '../../providers/providers.ts';
import { errorText } from '../../rollout/error-text.ts';
import { eachAtOnce } from '../each-at-once.ts';
import type { KeyTurns } from './key-turns.ts';
import { readMediaEvent, type MediaEvent } from './media-event.ts';
import { evidenceOfEvents, type SeenEvents } from './seen-events.ts';
import { noneSettled, settleKey, type MirrorStores, type Settled } from './settle-key.ts';
import type { Concurrency } from '../pace.ts';

/** The queue of media events, as a consumer outside sees it. */
export interface EventQueue {
  pull(): Promise<PulledMessages>;
  ack(acks: readonly string[], retries: readonly { leaseId: string; delaySeconds: number }[]): Promise<void>;
}

export interface ApplyOptions {
  readonly queue: EventQueue;
  readonly stores: MirrorStores;
  readonly seen: SeenEvents;
  readonly turns: KeyTurns;
  readonly concurrency: Concurrency;
  /** Told of each event before it is acknowledged; what it throws keeps the event in the queue. */
  readonly onEvent?: ((event: MediaEvent) => Promise<void>) | undefined;
  /** Keeps what is no event, before it leaves the queue. */
  readonly onMalformed: (message: QueueMessage, reason: string) => Promise<void>;
  /** Whether what was not begun is to go back to the queue at once. */
  readonly isStopping?: () => boolean;
  /** What failed goes back at once: whoever drains the queue decides itself when to try again. */
  readonly retryAtOnce?: boolean;
}

export interface AppliedBatch {
  readonly pulled: number;
  readonly backlog: number;
  readonly acked: number;
  readonly malformed: number;
  /** By how each key ended. */
  readonly settled: Readonly<Record<Settled, number>>;
  /** Messages that go back to the queue. `at`: when they were sent, epoch ms. */
  readonly failed: readonly {
    readonly id: string;
    readonly key: string;
    readonly at: number;
    readonly reason: string;
  }[];
  readonly ackedIds: readonly string[];
}

type Received = QueueMessage & { readonly event: MediaEvent };

/** A key that failed comes again after so long, s, longer with each attempt. */
const RETRY_SECONDS = [1, 2, 5, 15];

/**
 * Pulls one batch and brings legacy in step with R2 for each key that it names: one key's events together, different
 * keys side by side. A message is acknowledged once legacy was seen to be in step, and goes back otherwise.
 * @throws ProviderError when the queue does not answer; what was leased comes again
 */
export async function applyEvents(options: ApplyOptions): Promise<AppliedBatch> {
  const { queue, stores, seen, turns } = options;
  const { messages, backlog } = await queue.pull();
  const settled = noneSettled();
  const done: QueueMessage[] = [];
  const failed: (AppliedBatch['failed'][number] & { readonly message: QueueMessage })[] = [];
  const byKey = new Map<string, Received[]>();
  for (const message of messages) {
    const event = readMediaEvent(message.body);
    if (typeof event === 'string') {
      await options.onMalformed(message, event);
      done.push(message);
    } else {
      byKey.set(event.key, [...(byKey.get(event.key) ?? []), { ...message, event }]);
    }
  }
  const malformed = done.length;
  // Before anything is done with them: what a sweep concludes from is what was seen.
  if (byKey.size > 0) await seen.note([...byKey.values()].flat().map((one) => one.event));

  await eachAtOnce(entriesOf(byKey), options.concurrency, async ([key, received]) => {
    try {
      if (options.isStopping?.() === true) throw new Error('the mirror is being stopped');
      await turns.inTurn(key, async () => {
        const events = received.map((one) => one.event).toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at));
        for (const event of events) await options.onEvent?.(event);
        settled[await settleKey(stores, key, evidenceOfEvents(events))]++;
      });
      done.push(...received);
    } catch (error) {
      const reason = errorText(error);
      for (const message of received) failed.push({ id: message.id, key, at: message.at, reason, message });
    }
  });
  const atOnce = options.retryAtOnce === true || options.isStopping?.() === true;
  const retries = failed.map(({ message: { leaseId, attempts } }) => ({
    leaseId,
    delaySeconds: atOnce ? 0 : (RETRY_SECONDS[Math.min(attempts, RETRY_SECONDS.length) - 1] ?? 0),
  }));
  const acks = done.map((one) => one.leaseId);
  if (acks.length + retries.length > 0) await queue.ack(acks, retries);
  return {
    pulled: messages.length,
    backlog,
    acked: done.length,
    malformed,
    settled,
    failed: failed.map(({ id, key, at, reason }) => ({ id, key, at, reason })),
    ackedIds: done.map((one) => one.id),
  };
}

async function* entriesOf<Key, Value>(map: ReadonlyMap<Key, Value>): AsyncGenerator<readonly [Key, Value]> {
  yield* map;
}
