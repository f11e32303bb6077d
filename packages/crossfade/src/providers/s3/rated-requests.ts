import { isThrottled, ProviderError } from '../provider-error.ts';
import type { RequestRate } from '../request-rate.ts';
import type { SignedRequests } from './signed-requests.ts';

/** The same requests, each at its turn: listings, looks and repetitions count as everything else does. */
export function rated(requests: SignedRequests, rate: RequestRate): SignedRequests {
  async function inTurn<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    // Signed after the wait: a signature is good for some minutes only.
    await rate.turn();
    try {
      const answer = await ask();
      rate.answered();
      return answer;
    } catch (error) {
      if (error instanceof ProviderError && isThrottled(error)) rate.refused(error.retryAfterMs);
      throw error;
    }
  }
  return {
    ...requests,
    call: (method, key, details) => inTurn(() => requests.call(method, key, details)),
    send: (method, key, details) => inTurn(() => requests.send(method, key, details)),
  };
}
