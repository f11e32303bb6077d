import Cloudflare, { APIError } from 'cloudflare';
import * as v from 'valibot';
import type { RolloutConfig } from '../../rollout/config.ts';
import { proxiedFetch } from '../http/dispatcher.ts';
import { exchange, readJson, refusal, type Call } from '../http/exchange.ts';
import { isNotFound, malformed, ProviderError, unreachable } from '../provider-error.ts';
import { parseRetryAfter, retrying } from '../retry.ts';
import { apiErrors, envelope } from './answers.ts';

const PROVIDER = 'Cloudflare';
const TIMEOUT_MS = 30_000;
/** A Worker's upload waits until its code has started. */
const UPLOAD_TIMEOUT_MS = 60_000;
/** With these pauses an API that is away for 3 s is waited for, and one that is gone is told within 7 s. */
const ATTEMPTS = 6;

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

export interface CallOptions {
  readonly body?: unknown;
  readonly query?: Readonly<Record<string, string | number>>;
  /** Whether it may be made again after a passing fault; without it, every method but POST is. */
  readonly repeat?: boolean;
  /** Fewer attempts than usual, for a question that whoever watches asks anew all the time. */
  readonly attempts?: number;
  /** Values of the body that no error may quote. */
  readonly secrets?: readonly string[];
}

export interface CloudflareApi {
  /** One call: its `result`, parsed. Throws `ProviderError`. */
  call<Schema extends v.GenericSchema>(
    method: Method,
    path: string,
    schema: Schema,
    options?: CallOptions,
  ): Promise<v.InferOutput<Schema>>;
  /** One call whose answer is not wrapped in `result`. */
  callBare<Schema extends v.GenericSchema>(
    method: Method,
    path: string,
    schema: Schema,
    options?: CallOptions,
  ): Promise<v.InferOutput<Schema>>;
  /** A multipart call: the SDK's own form is not what the API takes (its issue 2799). Made once. */
  sendForm<Schema extends v.GenericSchema>(
    method: 'POST' | 'PUT',
    path: string,
    form: FormData,
    schema: Schema,
  ): Promise<v.InferOutput<Schema>>;
  /** A question in plain text, whose answer has no envelope. */
  sendText<Schema extends v.GenericSchema>(path: string, text: string, schema: Schema): Promise<v.InferOutput<Schema>>;
  /**
   * Makes a call that changes something again after a passing fault. The answer may be all that was lost, so an
   * attempt after the first (they count from 1) looks first whether it is done.
   */
  again<Answer>(call: (attempt: number) => Promise<Answer>): Promise<Answer>;
}

/**
 * Cloudflare's API v4 as it answers, with every failure as a `ProviderError` that holds no token. `pace` is a share of
 * the timeouts and pauses: tests have no half minute.
 */
export function createCloudflareApi({ apiBaseUrl, apiToken }: RolloutConfig['cloudflare'], pace = 1): CloudflareApi {
  const secrets = [apiToken];
  const client = new Cloudflare({
    apiToken,
    baseURL: apiBaseUrl,
    // The SDK would make a POST twice whose answer alone was lost: what is repeated is decided here.
    maxRetries: 0,
    timeout: TIMEOUT_MS * pace,
    fetch: proxiedFetch,
    logLevel: 'off',
  });

  /** Only status, codes and the vendor's words come out of the SDK's errors. */
  function fromSdk(operation: string, error: unknown, hidden: readonly string[]): ProviderError {
    if (!(error instanceof APIError) || typeof error.status !== 'number') {
      return unreachable(PROVIDER, operation, apiBaseUrl, error, hidden);
    }
    const retryAfterMs = parseRetryAfter(error.headers?.get('retry-after'));
    const listed = v.safeParse(apiErrors, error.errors);
    const told = tell(listed.success ? listed.output : []);
    return new ProviderError(PROVIDER, operation, { status: error.status, ...told, retryAfterMs, secrets: hidden });
  }

  const again: CloudflareApi['again'] = (call) => retrying(call, ATTEMPTS, pace);

  const callBare: CloudflareApi['callBare'] = (method, path, schema, options = {}) => {
    const { repeat = method !== 'post', attempts = ATTEMPTS } = options;
    const ask = () => callOnce(method, path, schema, options);
    return repeat ? retrying(ask, attempts, pace) : ask();
  };

  const callOnce: CloudflareApi['callBare'] = async (method, path, schema, options = {}) => {
    const operation = `${method.toUpperCase()} ${path}`;
    const { body, query } = options;
    const hidden = [...secrets, ...(options.secrets ?? [])];
    let status: number;
    let text: string;
    try {
      const response = await client[method](path, {
        ...(body === undefined ? {} : { body }),
        ...(query === undefined ? {} : { query: { ...query } }),
        // The SDK's own timeout ends with the headers; a body may stop on its way, too.
        signal: AbortSignal.timeout(2 * TIMEOUT_MS * pace),
      }).asResponse();
      status = response.status;
      text = await response.text();
    } catch (error) {
      throw fromSdk(operation, error, hidden);
    }
    return parseAnswer({ provider: PROVIDER, operation, secrets: hidden }, status, text, schema);
  };

  return {
    again,
    callBare,
    async call(method, path, schema, options) {
      const answer = await callBare(method, path, v.object({ result: schema }), options);
      return answer.result;
    },
    async sendText(path, text, schema) {
      const call: Call = {
        provider: PROVIDER,
        operation: `POST ${path}`,
        method: 'POST',
        url: `${apiBaseUrl}${path}`,
        headers: { authorization: `Bearer ${apiToken}`, 'content-type': 'text/plain' },
        body: new TextEncoder().encode(text),
        timeoutMs: TIMEOUT_MS * pace,
        secrets,
      };
      // A question changes nothing: it may be asked again.
      return again(async () => {
        const answer = await exchange(call);
        if (answer.status >= 400) {
          const told = v.safeParse(envelope, parsedOrNull(answer.text));
          throw refusal(call, answer, tell(told.success ? told.output.errors : []));
        }
        const parsed = v.safeParse(schema, readJson(call, answer));
        if (!parsed.success) throw malformed(call, answer.status, describe(parsed.issues));
        return parsed.output;
      });
    },
    async sendForm(method, path, form, schema) {
      // Encoded once, with the boundary that the header names.
      const encoded = new Response(form);
      const call: Call = {
        provider: PROVIDER,
        operation: `${method} ${path}`,
        method,
        url: `${apiBaseUrl}${path}`,
        headers: {
          authorization: `Bearer ${apiToken}`,
          'content-type': encoded.headers.get('content-type') ?? 'multipart/form-data',
        },
        body: new Uint8Array(await encoded.arrayBuffer()),
        timeoutMs: UPLOAD_TIMEOUT_MS * pace,
        secrets,
      };
      const answer = await exchange(call);
      const told = v.safeParse(envelope, parsedOrNull(answer.text));
      if (answer.status >= 400 || (told.success && !told.output.success)) {
        throw refusal(call, answer, tell(told.success ? told.output.errors : []));
      }
      const parsed = v.safeParse(v.object({ result: schema }), readJson(call, answer));
      if (!parsed.success) throw malformed(call, answer.status, describe(parsed.issues));
      return parsed.output.result;
    },
  };
}

/** The answer, or `nothing` where the vendor says that it does not exist. */
export async function orNothing<Answer, Nothing>(asked: Promise<Answer>, nothing: Nothing): Promise<Answer | Nothing> {
  try {
    return await asked;
  } catch (error) {
    if (isNotFound(error)) return nothing;
    throw error;
  }
}

function parseAnswer<Schema extends v.GenericSchema>(
  call: Pick<Call, 'provider' | 'operation' | 'secrets'>,
  status: number,
  text: string,
  schema: Schema,
): v.InferOutput<Schema> {
  const body = parsedOrNull(text);
  const told = v.safeParse(envelope, body);
  if (told.success && !told.output.success) {
    throw new ProviderError(call.provider, call.operation, {
      status,
      ...tell(told.output.errors),
      secrets: call.secrets,
    });
  }
  const parsed = v.safeParse(schema, body);
  if (!parsed.success) throw malformed(call, status, describe(parsed.issues));
  return parsed.output;
}

/** `null` for what is no JSON: the schema that comes next says what was expected instead. */
function parsedOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Which field was not as expected; its value stays out, since it may be anything. */
function describe(issues: readonly [v.BaseIssue<unknown>, ...v.BaseIssue<unknown>[]]): string {
  const [{ expected, kind, type }] = issues;
  return `${v.getDotPath(issues[0]) ?? 'the answer'}: expected ${expected ?? `${kind} ${type}`}`;
}

/** DNS puts the real reason into the chain below its error. */
function tell(errors: v.InferOutput<typeof apiErrors>): { code: string | null; message: string } {
  const [first] = errors;
  if (first === undefined) return { code: null, message: 'no reason given' };
  const chain = first.error_chain.map(({ code, message }) => `${code} ${message}`);
  return { code: String(first.code), message: [first.message, ...chain].join('; ') };
}
