import { randomUUID } from 'node:crypto';
import { appendFile, mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';

export interface QueueMessage {
  readonly id: string;
  /** JSON, as the Worker sent it. */
  readonly body: string;
  /** Epoch ms. */
  readonly at: number;
  attempts: number;
}

export interface Queues {
  /** Kept on disk before the answer: the sender was told that it is safe. */
  send(queue: string, bodies: readonly string[]): Promise<void>;
  /** Leases up to `batchSize` messages for `visibilityMs`; one whose lease ends unacknowledged comes again. */
  pull(
    queue: string,
    batchSize: number,
    visibilityMs: number,
  ): Promise<readonly (QueueMessage & { leaseId: string })[]>;
  /**
   * Ends leases: `acks` remove their messages, `retries` make them visible again after their delay. Unknown leases are
   * not counted.
   */
  settle(
    queue: string,
    acks: readonly string[],
    retries: readonly { readonly leaseId: string; readonly delayMs: number }[],
  ): Promise<{ acked: number; retried: number }>;
  /** Leased messages included. */
  backlog(queue: string): Promise<number>;
}

interface Kept {
  readonly waiting: Map<string, QueueMessage>;
  readonly leases: Map<string, { messageId: string; until: number }>;
}

/** Queues with pull consumers: at least once, in no promised order, as at the vendor. */
export async function openQueues(folder: string): Promise<Queues> {
  await mkdir(folder, { recursive: true });
  const queues = new Map<string, Promise<Kept>>();
  const file = (queue: string): string => path.join(folder, `${queue}.jsonl`);
  const open = (queue: string): Promise<Kept> => {
    const known = queues.get(queue) ?? read(file(queue));
    queues.set(queue, known);
    return known;
  };
  const leased = (kept: Kept, now: number): Set<string> => {
    for (const [id, { until }] of kept.leases) if (until <= now) kept.leases.delete(id);
    return new Set([...kept.leases.values()].map((one) => one.messageId));
  };
  return {
    async send(queue, bodies) {
      const kept = await open(queue);
      const messages = bodies.map((body) => ({ id: randomUUID(), body, at: Date.now(), attempts: 0 }));
      await appendFile(file(queue), messages.map((one) => `${JSON.stringify(one)}\n`).join(''));
      for (const message of messages) kept.waiting.set(message.id, message);
    },
    async pull(queue, batchSize, visibilityMs) {
      const kept = await open(queue);
      const now = Date.now();
      const away = leased(kept, now);
      const free = [...kept.waiting.values()].filter((one) => !away.has(one.id)).slice(0, batchSize);
      return free.map((message) => {
        const leaseId = randomUUID();
        kept.leases.set(leaseId, { messageId: message.id, until: now + visibilityMs });
        message.attempts++;
        return { ...message, leaseId };
      });
    },
    async settle(queue, acks, retries) {
      const kept = await open(queue);
      leased(kept, Date.now());
      const end = (leaseId: string): string | undefined => {
        const lease = kept.leases.get(leaseId);
        kept.leases.delete(leaseId);
        return lease?.messageId;
      };
      const done = acks.map(end).filter((id) => id !== undefined);
      if (done.length > 0)
        await appendFile(file(queue), done.map((id) => `${JSON.stringify({ acked: id })}\n`).join(''));
      for (const id of done) kept.waiting.delete(id);
      let retried = 0;
      for (const { leaseId, delayMs } of retries) {
        const messageId = end(leaseId);
        if (messageId === undefined) continue;
        retried++;
        // Nobody holds this lease: it only runs out.
        if (delayMs > 0) kept.leases.set(randomUUID(), { messageId, until: Date.now() + delayMs });
      }
      return { acked: done.length, retried };
    },
    backlog: async (queue) => (await open(queue)).waiting.size,
  };
}

/** What was sent and not yet acknowledged; a line that a crash cut short was never acknowledged to its sender. */
async function read(file: string): Promise<Kept> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const waiting = new Map<string, QueueMessage>();
  for (const line of text.slice(0, text.lastIndexOf('\n') + 1).split('\n')) {
    if (line === '') continue;
    const entry = JSON.parse(line) as QueueMessage | { acked: string };
    if ('acked' in entry) waiting.delete(entry.acked);
    else waiting.set(entry.id, entry);
  }
  return { waiting, leases: new Map() };
}
