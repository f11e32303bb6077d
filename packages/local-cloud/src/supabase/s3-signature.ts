import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export interface S3Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}
export type SignatureVerdict =
  'ok' | 'SignatureDoesNotMatch' | 'InvalidAccessKeyId' | 'AccessDenied' | 'RequestTimeTooSkewed';

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

/** Verifies AWS Signature Version 4 in the header or, presigned, in the query. `rawPath` is the path as it was sent. */
export function verifySignature(
  request: IncomingMessage,
  rawPath: string,
  query: URLSearchParams,
  keys: S3Keys,
): SignatureVerdict {
  const header = request.headers.authorization;
  const presigned = header === undefined && query.has('X-Amz-Signature');
  const credential = presigned
    ? (query.get('X-Amz-Credential') ?? '')
    : (/Credential=([^,\s]+)/.exec(header ?? '')?.[1] ?? '');
  const signedHeaders = presigned
    ? (query.get('X-Amz-SignedHeaders') ?? '')
    : (/SignedHeaders=([^,\s]+)/.exec(header ?? '')?.[1] ?? '');
  const given = presigned
    ? (query.get('X-Amz-Signature') ?? '')
    : (/Signature=([0-9a-f]+)/.exec(header ?? '')?.[1] ?? '');
  const timestamp = presigned ? (query.get('X-Amz-Date') ?? '') : String(request.headers['x-amz-date'] ?? '');
  const [accessKeyId = '', date = '', region = ''] = credential.split('/');
  if (credential === '' || given === '') return 'AccessDenied';
  if (accessKeyId !== keys.accessKeyId) return 'InvalidAccessKeyId';
  const signedAt = Date.parse(timestamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  const validMs = presigned ? Number(query.get('X-Amz-Expires') ?? 0) * 1000 : MOST_SKEW_MS;
  if (Number.isNaN(signedAt) || Date.now() - signedAt > validMs || signedAt - Date.now() > MOST_SKEW_MS)
    return 'RequestTimeTooSkewed';
  // The project's region must be the one that was signed for; `auto` stands for any, as the open-source server has it.
  if (region !== keys.region && region !== 'auto') return 'SignatureDoesNotMatch';
  const canonical = [
    request.method ?? 'GET',
    rawPath,
    canonicalQuery(query),
    ...signedHeaders.split(';').map(
      (name) =>
        `${name}:${String(request.headers[name] ?? '')
          .trim()
          .replaceAll(/\s+/g, ' ')}`,
    ),
    '',
    signedHeaders,
    presigned ? 'UNSIGNED-PAYLOAD' : String(request.headers['x-amz-content-sha256'] ?? ''),
  ].join('\n');
  const toSign = [
    'AWS4-HMAC-SHA256',
    timestamp,
    `${date}/${region}/s3/aws4_request`,
    createHash('sha256').update(canonical).digest('hex'),
  ].join('\n');
  const key = hmac(hmac(hmac(hmac(`AWS4${keys.secretAccessKey}`, date), region), 's3'), 'aws4_request');
  const expected = createHmac('sha256', key).update(toSign).digest();
  const measured = Buffer.from(given, 'hex');
  return measured.length === expected.length && timingSafeEqual(measured, expected) ? 'ok' : 'SignatureDoesNotMatch';
}
