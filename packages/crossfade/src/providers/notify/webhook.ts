import { createHmac, randomUUID } from 'node:crypto';
import type { Json } from '../../rollout/json.ts';
import { exchange, refusal, type Call } from '../http/exchange.ts';
import type { Notifier, Pager } from '../providers.ts';
import { retrying } from '../retry.ts';

const TIMEOUT_MS = 5000;

/**
 * A generic webhook: JSON with an event id that stays the same over repeats, and an HMAC-SHA256 of
 * `timestamp.body`. 2xx means accepted; 408, 425, 429, 5xx and network faults are tried again; redirects are refused.
 * `acknowledgeUrl`, with the page's token for `{token}`, answers 200 once somebody has answered, until then 404.
 */
export function createWebhook(
  name: string,
  url: string,
  secret: string | undefined,
  acknowledgeUrl?: string,
): Notifier {
  const post = (id: string, message: Json): Promise<void> =>
    retrying(async () => {
      const body = JSON.stringify(message);
      const timestamp = String(Math.floor(Date.now() / 1000));
      const call: Call = {
        provider: name,
        operation: 'notify',
        method: 'POST',
        url,
        headers: {
          'content-type': 'application/json',
          'x-crossfade-event': id,
          'x-crossfade-timestamp': timestamp,
          ...(secret === undefined ? {} : { 'x-crossfade-signature': `sha256=${sign(secret, timestamp, body)}` }),
        },
        body,
        timeoutMs: TIMEOUT_MS,
        // A webhook's path often is its credential.
        secrets: [url, new URL(url).pathname.slice(1), ...(secret === undefined ? [] : [secret])],
      };
      const answer = await exchange(call);
      if (answer.status < 200 || answer.status > 299) {
        throw refusal(call, answer, { code: null, message: 'the message was not accepted' });
      }
    });
  return {
    name,
    send: (message) => post(randomUUID(), message),
    ...(acknowledgeUrl === undefined ? {} : { pager: createPager(name, acknowledgeUrl, post) }),
  };
}

function createPager(name: string, acknowledgeUrl: string, post: (id: string, message: Json) => Promise<void>): Pager {
  return {
    page: ({ title, text, to, address, token, level, answerWanted }) =>
      post(token, {
        title,
        text,
        severity: 'critical',
        dedupKey: token,
        details: { page: { to, address, token, level, answerWanted } },
      }),
    answered: (token) =>
      retrying(async () => {
        const url = acknowledgeUrl.replaceAll('{token}', encodeURIComponent(token));
        const call: Call = {
          provider: name,
          operation: 'read the answer to a page',
          method: 'GET',
          url,
          headers: {},
          timeoutMs: TIMEOUT_MS,
          secrets: [url, new URL(url).pathname.slice(1)],
        };
        const answer = await exchange(call);
        if (answer.status !== 200 && answer.status !== 404)
          throw refusal(call, answer, { code: null, message: 'neither 200 (answered) nor 404 (not yet)' });
        return answer.status === 200;
      }),
    // A webhook is told once; it repeats nothing that would have to be stopped.
    close: async () => {},
  };
}

function sign(secret: string, timestamp: string, body: string): string {
  return createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex');
}
