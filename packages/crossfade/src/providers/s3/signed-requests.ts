import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { openDispatcher } from '../http/dispatcher.ts';
import { askWhole, TooLong, type WholeAnswer } from '../http/whole-answer.ts';
import { errorText } from '../../rollout/error-text.ts';
import { USER_AGENT } from '../user-agent.ts';
import { isThrottled, malformed, ProviderError, unreachable } from '../provider-error.ts';
import { parseRetryAfter } from '../retry.ts';
import { headerText, parseFailure, type Headers } from './answers.ts';
import { encodeKey, queryString, signRequest } from './sigv4.ts';

export interface BucketAddress {
  /** Names the store in errors. */
  readonly label: string;
  /** May have a path, as Supabase's `/storage/v1/s3` has. */
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of temporary credentials. */
  readonly sessionToken?: string | undefined;
  readonly bucket: string;
  /** Share of the timeouts and pauses; 1 when absent. */
  readonly pace?: number;
}

export interface RequestDetails {
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** The codings in which an object may come; without it as it is stored. */
  readonly coding?: 'identity';
  readonly body?: Readable | Uint8Array | string;
}

type Method = 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';

export interface SignedRequests {
  /**
   * One signed request, made once; its answer is held whole, in `into` where one is given. Throws `ProviderError` for a
   * status from 400.
   */
  call(
    method: Method,
    key: string,
    details?: Omit<RequestDetails, 'body'> & { readonly body?: Uint8Array | string; readonly into?: Buffer },
  ): Promise<WholeAnswer>;
  /** The same with streams: its body must be read. Throws the sent body's own error when that broke. */
  send(method: Method, key: string, details?: RequestDetails): Promise<Dispatcher.ResponseData>;
  /** Reads an XML answer; `parse` may throw, which is told as a malformed answer, with the reason. */
  readAnswer<Answer>(operation: string, answer: WholeAnswer, parse: (body: Buffer) => Answer): Answer;
  onThrottled(listener: ThrottleListener): () => void;
  close(): Promise<void>;
}

export type ThrottleListener = (retryAfterMs: number | null) => void;

/**
 * R2 decompresses for whoever does not take the coding in which an object is stored (rclone#8137). Not signed, since
 * whatever stands before the store may change it.
 */
const AS_STORED = 'gzip, br';

/** A listing must not come compressed: it is read as it comes. */
function isObject(method: Method, key: string, query: Readonly<Record<string, string>>): boolean {
  return (method === 'GET' || method === 'HEAD') && key !== '' && Object.keys(query).length === 0;
}

const SILENCE_MS = 60_000;
const CONNECT_MS = 10_000;

/** Path-style S3 requests for one bucket, signed, over a pool of connections. */
export function createSignedRequests(address: BucketAddress): SignedRequests {
  const { label, bucket, pace = 1 } = address;
  const endpoint = new URL(address.endpoint);
  const root = `${endpoint.pathname.replace(/\/$/, '')}/${bucket}`;
  const secrets = [address.secretAccessKey, address.accessKeyId, address.sessionToken ?? ''];
  const { origin } = endpoint;
  const dispatcher = openDispatcher(endpoint, { connectMs: CONNECT_MS * pace, silenceMs: SILENCE_MS * pace });

  const throttled = new Set<ThrottleListener>();

  function requestOf(method: Method, key: string, { query = {}, headers = {}, coding }: RequestDetails) {
    const path = key === '' ? root : `${root}/${encodeKey(key)}`;
    const search = queryString(query);
    return {
      origin,
      method,
      // As it was signed: a URL object would resolve `..` and dots in a key.
      path: search === '' ? path : `${path}?${search}`,
      headers: {
        'user-agent': USER_AGENT,
        ...(isObject(method, key, query) ? { 'accept-encoding': coding ?? AS_STORED } : {}),
        ...signRequest(address, { method, path, search, headers: { host: endpoint.host, ...headers } }),
      },
    };
  }

  function failureOf(operation: string, status: number, headers: Headers, text: string): ProviderError {
    const told = parseFailure(text) ?? redirected(status, headers);
    const error = new ProviderError(label, operation, {
      status,
      code: told?.code ?? null,
      message: told?.message ?? 'no reason given',
      retryAfterMs: parseRetryAfter(headerText(headers['retry-after'])),
      secrets,
    });
    if (isThrottled(error)) for (const listener of throttled) listener(error.retryAfterMs);
    return error;
  }

  return {
    async call(method, key, details = {}) {
      const operation = `${method} ${bucket}/${key}`;
      let answer: WholeAnswer;
      try {
        const { body = null, into = null } = details;
        answer = await askWhole(dispatcher, { ...requestOf(method, key, details), body, into });
      } catch (error) {
        // Nor is it the server's doing when a request cannot be written.
        if (error instanceof TooLong || error instanceof TypeError) throw error;
        throw unreachable(label, operation, endpoint, error, secrets);
      }
      if (answer.status < 300) return answer;
      throw failureOf(operation, answer.status, answer.headers, answer.body.toString());
    },
    async send(method, key, details = {}) {
      const { body = null } = details;
      const operation = `${method} ${bucket}/${key}`;
      let response: Dispatcher.ResponseData;
      try {
        response = await dispatcher.request({ ...requestOf(method, key, details), body });
      } catch (error) {
        // What broke may be the body's source rather than this server.
        if (body instanceof Readable && body.errored !== null && body.errored === error) throw error;
        throw unreachable(label, operation, endpoint, error, secrets);
      }
      if (response.statusCode < 300) return response;
      const text = await response.body.text().catch((error: unknown) => {
        throw unreachable(label, operation, endpoint, error, secrets);
      });
      throw failureOf(operation, response.statusCode, response.headers, text);
    },
    readAnswer(operation, { status, body }, parse) {
      const told = parseFailure(body);
      if (told !== null) {
        // A failure that came after the server had begun to answer 200.
        throw new ProviderError(label, operation, { status: 500, ...told, secrets });
      }
      try {
        return parse(body);
      } catch (error) {
        throw malformed(
          { provider: label, operation, secrets },
          status,
          `an answer of an unknown shape: ${errorText(error)}`,
        );
      }
    },
    onThrottled(listener) {
      throttled.add(listener);
      return () => throttled.delete(listener);
    },
    async close() {
      await dispatcher.close();
    },
  };
}

/**
 * Nobody is followed elsewhere: the request is signed for this host, and what lies behind a redirect is not the object
 * that was asked for. S3 sends 301 and 307 where the region is another one.
 */
function redirected(status: number, headers: Headers): { code: string; message: string } | null {
  if (status >= 400) return null;
  const location = headerText(headers['location']);
  const where = location !== null && URL.canParse(location) ? ` to ${new URL(location).host}` : '';
  return { code: 'Redirect', message: `it redirects${where}: check the endpoint and the region` };
}
