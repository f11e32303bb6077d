import { Readable } from 'node:stream';
import { Pool, type Dispatcher } from 'undici';
import { malformed } from '../http/exchange.ts';
import { ProviderError, unreachable } from '../provider-error.ts';
import { parseRetryAfter } from '../retry.ts';
import { headerText, parseFailure } from './answers.ts';
import { encodeKey, queryString, signRequest } from './sigv4.ts';

export interface BucketAddress {
  /** Names the store in errors. */
  readonly label: string;
  /** May have a path, as Supabase's `/storage/v1/s3` has. */
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly bucket: string;
  /** Connections at once. */
  readonly connections: number;
  /** Share of the timeouts and pauses; 1 when absent. */
  readonly pace?: number;
}

export interface RequestDetails {
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Readable | Uint8Array | string;
}

export interface SignedRequests {
  /** One signed request, made once. Throws `ProviderError` for a status from 400, and the body's own error when that broke. */
  send(
    method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE',
    key: string,
    details?: RequestDetails,
  ): Promise<Dispatcher.ResponseData>;
  /** Reads an XML answer; `parse` may throw, which is told as a malformed answer. */
  readAnswer<Answer>(
    operation: string,
    response: Dispatcher.ResponseData,
    parse: (text: string) => Answer,
  ): Promise<Answer>;
  close(): Promise<void>;
}

const IDLE_TIMEOUT_MS = 60_000;

/** Path-style S3 requests for one bucket, signed, over a pool of connections. */
export function createSignedRequests(address: BucketAddress): SignedRequests {
  const { label, bucket, pace = 1 } = address;
  const endpoint = new URL(address.endpoint);
  const root = `${endpoint.pathname.replace(/\/$/, '')}/${bucket}`;
  const secrets = [address.secretAccessKey, address.accessKeyId];
  const pool = new Pool(endpoint.origin, {
    connections: address.connections,
    bodyTimeout: IDLE_TIMEOUT_MS * pace,
    headersTimeout: IDLE_TIMEOUT_MS * pace,
  });

  async function textOf(operation: string, response: Dispatcher.ResponseData): Promise<string> {
    try {
      return await response.body.text();
    } catch (error) {
      throw unreachable(label, operation, endpoint, error, secrets);
    }
  }

  return {
    async send(method, key, { query = {}, headers = {}, body } = {}) {
      const path = key === '' ? root : `${root}/${encodeKey(key)}`;
      const search = queryString(query);
      const operation = `${method} ${bucket}/${key}`;
      let response: Dispatcher.ResponseData;
      try {
        response = await pool.request({
          method,
          // As it was signed: a URL object would resolve `..` and dots in a key.
          path: search === '' ? path : `${path}?${search}`,
          headers: signRequest(address, { method, path, query, headers: { host: endpoint.host, ...headers } }),
          body: body ?? null,
        });
      } catch (error) {
        // What broke may be the body's source rather than this server.
        if (body instanceof Readable && body.errored !== null && body.errored === error) throw error;
        throw unreachable(label, operation, endpoint, error, secrets);
      }
      if (response.statusCode < 400) return response;
      const told = parseFailure(await textOf(operation, response));
      throw new ProviderError(label, operation, {
        status: response.statusCode,
        code: told?.code ?? null,
        message: told?.message ?? 'no reason given',
        retryAfterMs: parseRetryAfter(headerText(response.headers['retry-after'])),
        secrets,
      });
    },
    async readAnswer(operation, response, parse) {
      const text = await textOf(operation, response);
      const told = parseFailure(text);
      if (told !== null) {
        // A failure that came after the server had begun to answer 200.
        throw new ProviderError(label, operation, { status: 500, ...told, secrets });
      }
      try {
        return parse(text);
      } catch {
        throw malformed({ provider: label, operation, secrets }, response.statusCode);
      }
    },
    close: () => pool.close(),
  };
}
