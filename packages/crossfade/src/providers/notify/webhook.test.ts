import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Pager } from '../providers.ts';
import { createWebhook } from './webhook.ts';

/** A channel whose way back answers with this status. */
async function pagerThatAnswers(status: number): Promise<{ pager: Pager; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    request.resume();
    response.writeHead(request.method === 'POST' ? 202 : status, { 'retry-after': '0' }).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  const { pager } = createWebhook('on-call', `${url}/hook`, undefined, `${url}/canary-path/{token}`);
  if (pager === undefined) throw new Error('a webhook with an acknowledgeUrl can be answered');
  return { pager, asked };
}

describe("a webhook's pages", () => {
  it('are asked for by their token, and answered with 200', async () => {
    const { pager, asked } = await pagerThatAnswers(200);
    await pager.page({
      to: 'Ada',
      address: 'ada',
      title: 'Test',
      text: '…',
      token: 'key-1',
      level: 0,
      answerWanted: true,
    });
    expect(await pager.answered('key-1')).toBe(true);
    expect(asked).toEqual(['POST /hook', 'GET /canary-path/key-1']);
  });

  it('are not answered while the channel says 404', async () => {
    expect(await (await pagerThatAnswers(404)).pager.answered('key-1')).toBe(false);
  });

  it.each([401, 503])(
    'are no answer when the channel says %i, and the error does not show the address',
    async (status) => {
      const { pager } = await pagerThatAnswers(status);
      const error = await pager.answered('key-1').catch((error: unknown) => String(error));
      expect(error).toContain(`on-call: read the answer to a page answered ${status}`);
      expect(error).not.toContain('canary-path');
    },
  );

  it('cannot be sent where there is no way back', () => {
    expect(createWebhook('on-call', 'http://127.0.0.1:1/hook', undefined).pager).toBeUndefined();
  });
});
