import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createWebhook } from '../providers/notify/webhook.ts';
import type { Notifier } from '../providers/providers.ts';
import { openAlertBook } from './alerts.ts';
import { startProduction } from './fixtures/production.ts';
import { productionAlerts } from './production-alerts.ts';
import { createSentinel } from './sentinel.ts';

const trouble = { measure: 'error rate', measured: { rate: 0.5 }, expected: { rate: '<= 0.01' }, since: 'noon' };

async function webhook(): Promise<{ url: string; received: { headers: IncomingHttpHeaders; body: string }[] }> {
  const received: { headers: IncomingHttpHeaders; body: string }[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    received.push({ headers: request.headers, body });
    response.writeHead(200).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = server.address();
  return { url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/hook`, received };
}

describe('the alerts', () => {
  it('reach who is on call, signed, with what was measured, and the journal notes who took them', async () => {
    const { url, received } = await webhook();
    const { context, recorded } = await startProduction(
      { onTestFinished },
      { notify: [createWebhook('on-call', url, 'hook secret')] },
    );
    const book = openAlertBook(context);
    book.fire('highErrorRate', trouble, 'Rolling back.');
    await book.settled();
    const [message] = received;
    const timestamp = String(message?.headers['x-crossfade-timestamp']);
    const signature = createHmac('sha256', 'hook secret').update(`${timestamp}.${message?.body}`).digest('hex');
    expect(message?.headers['x-crossfade-signature']).toBe(`sha256=${signature}`);
    expect(JSON.parse(message?.body ?? '')).toMatchObject({
      title: 'Crossfade: highErrorRate in production',
      text: 'error rate: {"rate":0.5}, expected {"rate":"<= 0.01"}, since noon. Rolling back.',
      severity: 'critical',
      dedupKey: 'r:highErrorRate',
    });
    expect(recorded).toMatchObject([
      {
        kind: 'alert.fired',
        data: { rule: 'highErrorRate', severity: 'critical', deliveredTo: ['on-call'] },
        subject: 'highErrorRate',
      },
    ]);
  });

  it('fire once while they last, resolve once, and may fire anew', async () => {
    const { context, recorded } = await startProduction({ onTestFinished });
    const book = openAlertBook(context);
    book.resolve('lowSuccessRate', null);
    book.fire('lowSuccessRate', trouble, '');
    book.fire('lowSuccessRate', trouble, '');
    book.resolve('lowSuccessRate', { over: true });
    book.resolve('lowSuccessRate', { over: true });
    book.fire('lowSuccessRate', trouble, '');
    await book.settled();
    expect(recorded.map((event) => event.kind)).toEqual(['alert.fired', 'alert.resolved', 'alert.fired']);
  });

  it('are not told again by a second life of the rollout, which knows that they fire and can resolve them', async () => {
    const { context, recorded } = await startProduction({ onTestFinished });
    const first = openAlertBook(context);
    expect(productionAlerts(recorded).warning.lowSuccessRate).toBe(false);
    first.fire('lowSuccessRate', trouble, '');
    await first.settled();
    expect(productionAlerts(recorded).warning).toEqual({
      lowSuccessRate: true,
      highResponseTime: false,
      mirrorLag: false,
      legacyRefuses: false,
      highCostRate: false,
    });
    const second = openAlertBook(context);
    second.fire('lowSuccessRate', trouble, '');
    second.resolve('lowSuccessRate', { over: true });
    await second.settled();
    expect(productionAlerts(recorded).warning.lowSuccessRate).toBe(false);
    expect(recorded.map((event) => event.kind)).toEqual(['alert.fired', 'alert.resolved']);
  });

  it('keep nobody waiting: the rollback begins while a channel is stuck, which is noted', async () => {
    const { promise: asked, resolve: send } = Promise.withResolvers<(error: Error) => void>();
    const stuck: Notifier = { name: 'pager', send: () => new Promise((_resolve, reject) => send(reject)) };
    const production = await startProduction({ onTestFinished }, { notify: [stuck] });
    production.others = [{ status: 503, requests: 100 }];
    const sentinel = createSentinel();
    sentinel.start(production.context);
    await sentinel.trouble;
    expect(production.recorded).toEqual([]);
    (await asked)(new Error('no such number'));
    await sentinel.stop();
    expect(production.recorded).toMatchObject([
      { kind: 'note', data: { text: 'pager did not take the alert: no such number' } },
      { kind: 'alert.fired', data: { rule: 'highErrorRate', deliveredTo: [] } },
    ]);
  });

  it('fail aloud when the journal does not take them', async () => {
    const { context } = await startProduction({ onTestFinished });
    const book = openAlertBook({ ...context, record: () => Promise.reject(new Error('the journal is full')) });
    book.fire('noData', trouble, '');
    await expect(book.settled()).rejects.toThrow('the journal is full');
  });
});
