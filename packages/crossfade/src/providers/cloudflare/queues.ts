import * as v from 'valibot';
import type { CloudflareProvider } from '../providers.ts';
import * as shape from './answers.ts';
import { orNothing, type CloudflareApi } from './api-call.ts';
import { createOwnWrites } from './own-writes.ts';

type Queues = Pick<
  CloudflareProvider,
  'getQueue' | 'createQueue' | 'createPullConsumer' | 'deleteQueue' | 'pullMessages' | 'ackMessages'
>;

/** Queues and their consumers below `root`. */
export function createQueues({ call, callBare, again }: CloudflareApi, root: string, pace: number): Queues {
  const ownQueues = createOwnWrites<readonly v.InferOutput<typeof shape.queue>[]>(pace);
  const ownConsumers = createOwnWrites<readonly v.InferOutput<typeof shape.consumer>[]>(pace);
  const find = async (name: string) => {
    const all = await ownQueues.read(name, () => call('get', root, v.array(shape.queue)));
    return all.find((one) => one.queue_name === name) ?? null;
  };
  const pullConsumers = async (queueId: string): Promise<number> => {
    const path = `${root}/${queueId}/consumers`;
    const all = await ownConsumers.read(queueId, () => call('get', path, v.array(shape.consumer)));
    return all.filter((one) => one.type === 'http_pull').length;
  };
  return {
    async getQueue(name) {
      const queue = await find(name);
      return queue === null ? null : { id: queue.queue_id, name, pullConsumers: await pullConsumers(queue.queue_id) };
    },
    async createQueue(name) {
      const queue = await again(async (attempt) => {
        // An attempt whose answer was lost may have made it.
        const made = attempt > 1 ? await find(name) : null;
        return made ?? (await call('post', root, shape.queue, { body: { queue_name: name } }));
      });
      ownQueues.note(name, (all) => all.some((one) => one.queue_id === queue.queue_id));
      return { id: queue.queue_id };
    },
    async createPullConsumer(queueId) {
      await again(async (attempt) => {
        if (attempt > 1 && (await pullConsumers(queueId)) > 0) return;
        await callBare('post', `${root}/${queueId}/consumers`, shape.envelope, { body: { type: 'http_pull' } });
      });
      ownConsumers.note(queueId, (all) => all.some((one) => one.type === 'http_pull'));
    },
    async deleteQueue(id) {
      await orNothing(callBare('delete', `${root}/${id}`, shape.envelope), null);
    },
    async pullMessages(queueId, { batchSize, visibilityTimeoutMs }) {
      const body = { batch_size: batchSize, visibility_timeout_ms: visibilityTimeoutMs };
      const pulled = await call('post', `${root}/${queueId}/messages/pull`, shape.pulled, { body });
      return { messages: pulled.messages.map(shape.toMessage), backlog: pulled.message_backlog_count };
    },
    async ackMessages(queueId, acks, retries) {
      const body = {
        acks: acks.map((leaseId) => ({ lease_id: leaseId })),
        retries: retries.map(({ leaseId, delaySeconds }) => ({ lease_id: leaseId, delay_seconds: delaySeconds })),
      };
      // Said twice it is the same: a lease that ended is not counted.
      await callBare('post', `${root}/${queueId}/messages/ack`, shape.envelope, { body, repeat: true });
    },
  };
}
