import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { StorageError } from './storage-error.ts';

export interface S3Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}
/** What the frames of a body are signed with, on from the request's own signature. */
export interface Signed {
  readonly signature: string;
  readonly key: Buffer;
  readonly timestamp: string;
  readonly scope: string;
}

const MOST_SKEW_MS = 15 * 60_000;
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
const encode = (text: string): string =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

function canonicalQuery(query: URLSearchParams): string {
  return [...query]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => [encode(name), encode(value)] as const)
    .toSorted((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : a[1] < b[1] ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

/**
 * Verifies AWS Signature Version 4 in the header or, presigned, in the query. `rawPath` is the path as it was sent.
 * AWS signs a header's value with its runs of blanks collapsed; Supabase signs it as it is (`verbatim`). Throws
 * `StorageError`.
 */
export function verifySignature(
  request: IncomingMessage,
  rawPath: string,
  query: URLSearchParams,
  keys: S3Keys,
  verbatim: boolean,
): Signed {
  const header = request.headers.authorization;
  const presigned = header === undefined && query.has('X-Amz-Signature');
  const field = (name: string): string =>
    presigned ? (query.get(`X-Amz-${name}`) ?? '') : (new RegExp(`${name}=([^,\\s]+)`).exec(header ?? '')?.[1] ?? '');
  const [credential, signedHeaders, given] = [field('Credential'), field('SignedHeaders'), field('Signature')];
  const timestamp = presigned ? (query.get('X-Amz-Date') ?? '') : String(request.headers['x-amz-date'] ?? '');
  const [accessKeyId = '', date = '', region = ''] = credential.split('/');
  if (credential === '' || given === '') throw new StorageError('AccessDenied', 'Missing signature');
  if (accessKeyId !== keys.accessKeyId) throw new StorageError('InvalidAccessKeyId');
  const signedAt = Date.parse(timestamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  const validMs = presigned ? Number(query.get('X-Amz-Expires') ?? 0) * 1000 : MOST_SKEW_MS;
  if (Number.isNaN(signedAt) || Date.now() - signedAt > validMs || signedAt - Date.now() > MOST_SKEW_MS)
    throw new StorageError('RequestTimeTooSkewed');
  // The project's region must be the one that was signed for; `auto` stands for any, as the open-source server has it.
  if (region !== keys.region && region !== 'auto') throw new StorageError('SignatureDoesNotMatch');
  const valueOf = (name: string): string => {
    const value = String(request.headers[name] ?? '').trim();
    return verbatim ? value : value.replaceAll(/ +/g, ' ');
  };
  const canonical = [
    request.method ?? 'GET',
    rawPath,
    canonicalQuery(query),
    ...signedHeaders.split(';').map((name) => `${name}:${valueOf(name)}`),
    '',
    signedHeaders,
    presigned ? 'UNSIGNED-PAYLOAD' : String(request.headers['x-amz-content-sha256'] ?? ''),
  ].join('\n');
  const scope = `${date}/${region}/s3/aws4_request`;
  const hash = createHash('sha256').update(canonical).digest('hex');
  const key = hmac(hmac(hmac(hmac(`AWS4${keys.secretAccessKey}`, date), region), 's3'), 'aws4_request');
  const expected = hmac(key, ['AWS4-HMAC-SHA256', timestamp, scope, hash].join('\n'));
  const measured = Buffer.from(given, 'hex');
  if (measured.length !== expected.length || !timingSafeEqual(measured, expected))
    throw new StorageError('SignatureDoesNotMatch');
  return { signature: given, key, timestamp, scope };
}
