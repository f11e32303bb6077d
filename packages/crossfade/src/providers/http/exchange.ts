import { request, type Dispatcher } from 'undici';
import { USER_AGENT } from '../user-agent.ts';
import { malformed, ProviderError, unreachable } from '../provider-error.ts';
import { parseRetryAfter } from '../retry.ts';
import { sharedDispatcher } from './dispatcher.ts';

export interface Call {
  readonly provider: string;
  /** What is being done, without anything secret; errors quote it. */
  readonly operation: string;
  readonly method: Dispatcher.HttpMethod;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly timeoutMs: number;
  /** Cut out of every error message. */
  readonly secrets: readonly string[];
}

export interface Answer {
  readonly status: number;
  readonly headers: Dispatcher.ResponseData['headers'];
  readonly text: string;
}

/** One HTTP call to a vendor, whatever the status. @throws ProviderError when nobody answered in full. */
export async function exchange(call: Call): Promise<Answer> {
  try {
    const response = await request(call.url, {
      method: call.method,
      headers: { 'user-agent': USER_AGENT, ...call.headers },
      body: call.body ?? null,
      dispatcher: sharedDispatcher(new URL(call.url)),
      signal: AbortSignal.timeout(call.timeoutMs),
    });
    return { status: response.statusCode, headers: response.headers, text: await response.body.text() };
  } catch (error) {
    throw unreachable(call.provider, call.operation, call.url, error, call.secrets);
  }
}

/** The answer's JSON. @throws ProviderError when it is none. */
export function readJson(call: Call, answer: Answer): unknown {
  try {
    return JSON.parse(answer.text);
  } catch {
    throw malformed(call, answer.status);
  }
}

/** A vendor's refusal. `status` overrides that of HTTP where the real one is in the body. */
export function refusal(
  call: Call,
  answer: Answer,
  told: { code: string | null; message: string; status?: number },
): ProviderError {
  const retryAfter = answer.headers['retry-after'];
  return new ProviderError(call.provider, call.operation, {
    status: told.status ?? answer.status,
    code: told.code,
    message: told.message,
    retryAfterMs: parseRetryAfter(Array.isArray(retryAfter) ? retryAfter[0] : retryAfter),
    secrets: call.secrets,
  });
}
