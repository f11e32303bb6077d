import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

export interface S3Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** As SigV4 wants it: all but the unreserved characters of RFC 3986. */
export const encodeForUri = (text: string): string =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

export const encodePath = (path: string): string => path.split('/').map(encodeForUri).join('/');

export function encodeQuery(query: Iterable<readonly [string, string]>): string {
  return [...query]
    .map(([name, value]) => [encodeForUri(name), encodeForUri(value)] as const)
    .toSorted(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : x > y ? 1 : 0))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

/** What Signature Version 4 covers. `path` and `query` are encoded, `headers` are in the order in which they are signed. */
interface Signable {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly payload: string;
  /** 20261129T130000Z */
  readonly timestamp: string;
  /** date/region/s3/aws4_request */
  readonly scope: string;
}

function signatureOf(secretAccessKey: string, signable: Signable): string {
  const { method, path, query, headers, payload, timestamp, scope } = signable;
  const lines = headers.map(([name, value]) => `${name}:${value.trim().replaceAll(/ +/g, ' ')}`);
  const names = headers.map(([name]) => name).join(';');
  const canonical = [method, path, query, ...lines, '', names, payload].join('\n');
  const [date = '', ...rest] = scope.split('/');
  const key = rest.reduce<Buffer>((secret, part) => hmac(secret, part), hmac(`AWS4${secretAccessKey}`, date));
  return hmac(key, [ALGORITHM, timestamp, scope, sha256(canonical)].join('\n')).toString('hex');
}

/** The headers that sign a request; unless told, its payload is not part of the signature. `path` and `query` are encoded. */
export function signedHeaders(
  request: { readonly method: string; readonly host: string; readonly path: string; readonly query: string },
  { accessKeyId, secretAccessKey }: S3Keys,
  region: string,
  payload = 'UNSIGNED-PAYLOAD',
): Record<string, string> {
  const timestamp = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const scope = `${timestamp.slice(0, 8)}/${region}/s3/aws4_request`;
  const signed = { host: request.host, 'x-amz-content-sha256': payload, 'x-amz-date': timestamp };
  const signature = signatureOf(secretAccessKey, {
    ...request,
    headers: Object.entries(signed),
    payload,
    timestamp,
    scope,
  });
  const names = Object.keys(signed).join(';');
  const authorization = `${ALGORITHM} Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
  return { ...signed, authorization };
}

/** Whether a signature is there to be judged: in the header or, presigned, in the query. */
export const isSigned = (headers: IncomingHttpHeaders, query: URLSearchParams): boolean =>
  headers.authorization !== undefined || query.has('X-Amz-Credential');

/**
 * Whether the request was signed with these keys. Only that: not when, for how long, or for which service. The headers
 * count as the client sent them, `accept-encoding` included, which rclone and the AWS SDK for Go sign.
 */
export function isSignedWith(
  request: { readonly method: string; readonly path: string; readonly headers: IncomingHttpHeaders },
  query: URLSearchParams,
  keys: S3Keys,
): boolean {
  const { method, path, headers } = request;
  const field = (name: string): string =>
    headers.authorization === undefined
      ? (query.get(`X-Amz-${name}`) ?? '')
      : (new RegExp(`${name}=([^,\\s]+)`).exec(headers.authorization)?.[1] ?? '');
  const presigned = headers.authorization === undefined;
  const credential = field('Credential').split('/');
  if (credential.slice(0, -4).join('/') !== keys.accessKeyId) return false;
  const expected = signatureOf(keys.secretAccessKey, {
    method,
    path,
    query: encodeQuery([...query].filter(([name]) => !presigned || name !== 'X-Amz-Signature')),
    headers: field('SignedHeaders')
      .split(';')
      .map((name) => [name.toLowerCase(), String(headers[name.toLowerCase()] ?? '')] as const),
    payload: presigned ? 'UNSIGNED-PAYLOAD' : String(headers['x-amz-content-sha256'] ?? ''),
    timestamp: presigned ? field('Date') : String(headers['x-amz-date'] ?? headers.date ?? ''),
    scope: credential.slice(-4).join('/'),
  });
  const [wanted, given] = [Buffer.from(expected), Buffer.from(field('Signature'))];
  return wanted.length === given.length && timingSafeEqual(wanted, given);
}
