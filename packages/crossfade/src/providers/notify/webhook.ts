import { createHmac, randomUUID } from 'node:crypto';
import { exchange, refusal, type Call } from '../http/exchange.ts';
import type { Notifier } from '../providers.ts';
import { retrying } from '../retry.ts';

const TIMEOUT_MS = 5000;

/**
 * A generic webhook: JSON with an event id that stays the same over repeats, and an HMAC-SHA256 of
 * `timestamp.body`. 2xx means accepted; 408, 425, 429, 5xx and network faults are tried again; redirects are refused.
 */
export function createWebhook(name: string, url: string, secret: string | undefined): Notifier {
  return {
    name,
    async send(message) {
      const body = JSON.stringify(message);
      const id = randomUUID();
      await retrying(async () => {
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
    },
  };
}

function sign(secret: string, timestamp: string, body: string): string {
  return createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex');
}
