import { createHmac, randomUUID } from 'node:crypto';
import { ProviderError } from '../provider-error.ts';
import type { Notifier } from '../providers.ts';
import { retrying } from '../retry.ts';

/** A generic webhook: JSON with an event id and an HMAC-SHA256 over `timestamp.body`; 2xx means accepted. */
export function createWebhook(name: string, url: string, secret: string | undefined): Notifier {
  return {
    name,
    async send(message) {
      const body = JSON.stringify(message);
      const id = randomUUID();
      await retrying(async () => {
        const timestamp = String(Math.floor(Date.now() / 1000));
        const signature = secret === undefined ? null : createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex');
        let response: Response;
        try {
          response = await fetch(url, {
            method: 'POST',
            redirect: 'error',
            signal: AbortSignal.timeout(5000),
            headers: {
              'content-type': 'application/json',
              'x-crossfade-event': id,
              'x-crossfade-timestamp': timestamp,
              ...(signature === null ? {} : { 'x-crossfade-signature': `sha256=${signature}` }),
            },
            body,
          });
        } catch (error) {
          throw new ProviderError(name, 'notify', { status: null, message: error instanceof Error ? error.message : 'no answer' });
        }
        await response.arrayBuffer();
        if (!response.ok) throw new ProviderError(name, 'notify', { status: response.status, message: 'the message was not accepted' });
      });
    },
  };
}
