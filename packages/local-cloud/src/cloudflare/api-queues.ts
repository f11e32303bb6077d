import { randomUUID } from 'node:crypto';
import * as v from 'valibot';
import type { AccountQueue } from './account-state.ts';
import { ApiFailure, ok, pageOf } from './api-answer.ts';
import type { ApiHandlers, ApiRequest } from './api-answer.ts';
import type { ApiContext } from './api-context.ts';

/** By hand, as no document names it. */
const QUEUES_PER_PAGE = 100;
const QueueBody = v.object({ queue_name: v.string() });
const PullBody = v.object({
  batch_size: v.optional(v.number(), 5),
  visibility_timeout_ms: v.optional(v.number(), 30_000),
});
const Lease = v.object({ lease_id: v.string() });
const Retry = v.object({ lease_id: v.string(), delay_seconds: v.optional(v.number(), 0) });
const AckBody = v.object({ acks: v.optional(v.array(Lease), []), retries: v.optional(v.array(Retry), []) });

/** Queues that Workers write to and a consumer outside pulls from. */
export function queueHandlers({ store, queues }: ApiContext): ApiHandlers {
  const queueOf = ({ params }: ApiRequest): AccountQueue => {
    const queue = store.current().queues.find((one) => one.id === params['queue_id']);
    if (queue === undefined) throw new ApiFailure(404, 11000, 'The specified queue does not exist.');
    return queue;
  };
  const pulledFrom = (request: ApiRequest): AccountQueue => {
    const queue = queueOf(request);
    if (queue.consumer === null)
      throw new ApiFailure(400, 10004, 'This queue has no HTTP pull consumer; create one first.');
    return queue;
  };
  return {
    'queues.queues.list': ({ query }) => {
      const named = store.current().queues.filter(({ name }) => query['name'] === undefined || name === query['name']);
      const { shown, info } = pageOf(named, query, QUEUES_PER_PAGE);
      return ok(shown.map(shownQueue), info);
    },
    'queues.queues.get': (request) => ok(shownQueue(queueOf(request))),
    'queues.queues.create': async ({ body }) => {
      const { queue_name: name } = v.parse(QueueBody, body);
      const created = await store.change((draft) => {
        if (draft.queues.some((one) => one.name === name))
          throw new ApiFailure(409, 11009, `Queue name '${name}' is already taken.`);
        const queue = {
          id: randomUUID().replaceAll('-', ''),
          name,
          createdOn: new Date().toISOString(),
          consumer: null,
        };
        draft.queues.push(queue);
        return queue;
      });
      return ok(shownQueue(created));
    },
    'queues.queues.delete': async (request) => {
      const { id, name } = queueOf(request);
      const users = store.current().scripts.filter((script) => {
        const serving = new Set(script.deployments[0]?.versions.map((one) => one.version_id));
        return script.versions.some(
          (version) =>
            serving.has(version.id) &&
            version.bindings.some((binding) => binding.type === 'queue' && binding.queue_name === name),
        );
      });
      if (users.length > 0)
        throw new ApiFailure(400, 11005, `Queue "${name}" is bound to ${users.map((one) => one.name).join(', ')}.`);
      await store.change((draft) => {
        draft.queues = draft.queues.filter((one) => one.id !== id);
      });
      return ok({});
    },
    'queues.consumers.list': (request) => {
      const { consumer } = queueOf(request);
      return ok(consumer === null ? [] : [{ consumer_id: consumer, type: 'http_pull' }]);
    },
    'queues.consumers.create': async (request) => {
      const { id } = queueOf(request);
      const consumer = await store.change((draft) => {
        const queue = draft.queues.find((one) => one.id === id);
        if (queue === undefined) throw new ApiFailure(404, 11000, 'The specified queue does not exist.');
        if (queue.consumer !== null) throw new ApiFailure(409, 11004, 'This queue already has a consumer.');
        queue.consumer = randomUUID();
        return queue.consumer;
      });
      return ok({ consumer_id: consumer, type: 'http_pull' });
    },
    'queues.messages.pull': async (request) => {
      const { name } = pulledFrom(request);
      const { batch_size: size, visibility_timeout_ms: visibility } = v.parse(PullBody, request.body ?? {});
      const pulled = await queues.pull(name, size, visibility);
      const messages = pulled.map(({ id, body, at, attempts, leaseId }) => ({
        id,
        // JSON comes in base64, as the vendor hands it to pull consumers.
        body: Buffer.from(body).toString('base64'),
        attempts,
        lease_id: leaseId,
        timestamp_ms: at,
        metadata: { 'CF-Content-Type': 'json' },
      }));
      return ok({ messages, message_backlog_count: await queues.backlog(name) });
    },
    'queues.messages.ack': async (request) => {
      const { name } = pulledFrom(request);
      const { acks, retries } = v.parse(AckBody, request.body ?? {});
      const { acked, retried } = await queues.settle(
        name,
        acks.map((one) => one.lease_id),
        retries.map((one) => ({ leaseId: one.lease_id, delayMs: one.delay_seconds * 1000 })),
      );
      const unknown = acks.length + retries.length - acked - retried;
      return ok({
        ackCount: acked,
        retryCount: retried,
        warnings: unknown === 0 ? [] : [`${unknown} lease ids are unknown or have expired`],
      });
    },
  };
}

function shownQueue({ id, name, createdOn, consumer }: AccountQueue) {
  return {
    queue_id: id,
    queue_name: name,
    created_on: createdOn,
    modified_on: createdOn,
    consumers_total_count: consumer === null ? 0 : 1,
    producers_total_count: 0,
  };
}
