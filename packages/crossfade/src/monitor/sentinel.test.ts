import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { HttpStatusCount, Notifier } from '../providers/providers.ts';
import { createWebhook } from '../providers/notify/webhook.ts';
import type { RolloutContext } from '../rollout/context.ts';
import type { JournalEntry } from '../rollout/journal-event.ts';
import { createSentinel } from './sentinel.ts';

const LIMITS = { windowMs: 2000, minimumRequests: 20, errorRate: 0.05, silenceMs: 3000 };

interface Production {
  readonly context: RolloutContext;
  readonly recorded: JournalEntry[];
}

/** Production as the sentinel sees it: what the edge counts, while the canary cannot reach it at all. */
function production(statuses: () => Promise<readonly HttpStatusCount[]>, notify: readonly Notifier[] = []): Production {
  const recorded: JournalEntry[] = [];
  const refuse = () => Promise.reject(new Error('connection refused'));
  const environment = {
    worker: { mediaOrigin: 'http://media.example' },
    testUsers: [{ email: 'a', password: 'b', tier: 'pro' }],
  };
  const context = {
    rollout: 'r',
    config: { trouble: LIMITS, environments: { production: environment, staging: environment } },
    providers: {
      cloudflare: { httpStatuses: statuses },
      supabase: { production: { signIn: refuse } },
      http: { request: refuse },
      notify,
    },
    record: async (entry: JournalEntry) => `ev-${recorded.push(entry)}`,
  };
  // The sentinel asks for nothing else.
  return { context: context as unknown as RolloutContext, recorded };
}

async function webhook(
  status: number,
): Promise<{ url: string; received: { headers: IncomingHttpHeaders; body: string }[] }> {
  const received: { headers: IncomingHttpHeaders; body: string }[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    received.push({ headers: request.headers, body });
    response.writeHead(status).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = server.address();
  return { url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/hook`, received };
}

describe('the sentinel', () => {
  it('sees an error rate at the edge, and tells who is on call, with a signature', async () => {
    const { url, received } = await webhook(200);
    const { context, recorded } = production(
      async () => [
        { status: 200, requests: 80 },
        { status: 500, requests: 20 },
      ],
      [createWebhook('on-call', url, 'hook secret')],
    );
    const sentinel = createSentinel();
    sentinel.start(context);
    expect(await sentinel.trouble).toMatchObject({
      measure: 'error rate at the edge over 2 s',
      measured: { rate: 0.2 },
    });
    await sentinel.stop();
    const [message] = received;
    const timestamp = String(message?.headers['x-crossfade-timestamp']);
    const signature = createHmac('sha256', 'hook secret').update(`${timestamp}.${message?.body}`).digest('hex');
    expect(message?.headers['x-crossfade-signature']).toBe(`sha256=${signature}`);
    expect(recorded).toContainEqual(
      expect.objectContaining({ kind: 'alert.fired', data: expect.objectContaining({ deliveredTo: ['on-call'] }) }),
    );
  });

  it('sees what the canary sees when the analytics say that all is well', async () => {
    const { context } = production(async () => [{ status: 200, requests: 100 }]);
    const sentinel = createSentinel();
    sentinel.start(context);
    expect((await sentinel.trouble).measure).toContain('canary');
    await sentinel.stop();
  });

  it('does not wait for a channel that takes no message, and records that it did not', async () => {
    let refused: (error: Error) => void = () => {};
    const stuck: Notifier = { name: 'pager', send: () => new Promise((_resolve, reject) => (refused = reject)) };
    const { context, recorded } = production(async () => [{ status: 503, requests: 100 }], [stuck]);
    const sentinel = createSentinel();
    sentinel.start(context);
    await sentinel.trouble;
    refused(new Error('no such number'));
    await sentinel.stop();
    expect(recorded).toContainEqual(
      expect.objectContaining({ kind: 'note', data: { text: 'pager did not take the alert: no such number' } }),
    );
    expect(recorded).toContainEqual(
      expect.objectContaining({ kind: 'alert.fired', data: expect.objectContaining({ deliveredTo: [] }) }),
    );
  });

  it('takes a watch that cannot watch for trouble', async () => {
    const { context } = production(() => {
      throw new TypeError('no such dataset');
    });
    const sentinel = createSentinel();
    sentinel.start(context);
    expect((await sentinel.trouble).measure).toContain('no such dataset');
    await sentinel.stop();
  });

  it('ends when it is told to, without trouble', async () => {
    const { context, recorded } = production(async () => []);
    const sentinel = createSentinel();
    sentinel.start(context);
    await sentinel.stop();
    expect(recorded).toEqual([]);
  });
});
