import { hash } from 'node:crypto';

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of temporary credentials (STS); sent and signed with every request. */
  readonly sessionToken?: string | undefined;
  readonly region: string;
}

/** The payload's bytes are not part of the signature; TLS and Content-MD5 guard them. */
export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD';

const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;

/** Answers in hex. */
type Sign = (text: string) => string;

/**
 * HMAC-SHA256 (RFC 2104) with a key that is used again and again. `createHmac` makes a key object for each call, which
 * costs more than all the rest of a signature.
 */
function hmacWith(key: Buffer): Sign {
  const block = Buffer.alloc(BLOCK_BYTES);
  (key.byteLength > BLOCK_BYTES ? hash('sha256', key, 'buffer') : key).copy(block);
  const inner = block.map((byte) => byte ^ 0x36);
  const outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES);
  outer.set(block.map((byte) => byte ^ 0x5c));
  return (text) => {
    const digest = hash('sha256', Buffer.concat([inner, Buffer.from(text)]), 'hex');
    outer.write(digest, BLOCK_BYTES, 'hex');
    return hash('sha256', outer, 'hex');
  };
}

/** The signing keys of the day, by credential: four HMACs that hardly ever change. */
const ofTheDay = new WeakMap<S3Credentials, { readonly date: string; readonly sign: Sign }>();

function signerFor(credentials: S3Credentials, date: string): Sign {
  const known = ofTheDay.get(credentials);
  if (known?.date === date) return known.sign;
  const { region, secretAccessKey } = credentials;
  let key: Buffer = Buffer.from(`AWS4${secretAccessKey}`);
  for (const text of [date, region, 's3', 'aws4_request']) key = Buffer.from(hmacWith(key)(text), 'hex');
  const sign = hmacWith(key);
  ofTheDay.set(credentials, { date, sign });
  return sign;
}

/** RFC 3986 encoding as S3 wants it: everything but unreserved characters, UTF-8, upper-case hex. */
export function encodeS3(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Is the same when it is encoded, as most keys are. */
const PLAIN_KEY = /^[A-Za-z0-9._~/-]*$/;

/** A key as a path: its slashes stay. */
export function encodeKey(key: string): string {
  return PLAIN_KEY.test(key) ? key : key.split('/').map(encodeS3).join('/');
}

/**
 * AWS Signature Version 4 for S3. `path` is the encoded path as sent, `headers` have lower-case names and hold
 * `host`. Answers with the headers to send.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
export function signRequest(
  credentials: S3Credentials,
  request: {
    method: string;
    path: string;
    /** The query as `queryString` gives it. */
    search: string;
    headers: Readonly<Record<string, string>>;
    payloadHash?: string;
  },
  now: Date = new Date(),
): Record<string, string> {
  const timestamp = timestampOf(now);
  const date = timestamp.slice(0, 8);
  const payloadHash = request.payloadHash ?? UNSIGNED_PAYLOAD;
  const headers: Record<string, string> = { ...request.headers };
  headers['x-amz-date'] = timestamp;
  headers['x-amz-content-sha256'] = payloadHash;
  if (credentials.sessionToken !== undefined) headers['x-amz-security-token'] = credentials.sessionToken;
  const names = Object.keys(headers).sort();
  let lines = '';
  for (const name of names) lines += `${name}:${trimmed(headers[name] ?? '')}\n`;
  const signed = names.join(';');
  const canonical = `${request.method}\n${request.path}\n${request.search}\n${lines}\n${signed}\n${payloadHash}`;
  const scope = `${date}/${credentials.region}/s3/aws4_request`;
  const toSign = `AWS4-HMAC-SHA256\n${timestamp}\n${scope}\n${hash('sha256', canonical)}`;
  const signature = signerFor(credentials, date)(toSign);
  headers['authorization'] =
    `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${signed}, Signature=${signature}`;
  return headers;
}

/** The last second and how it is written: thousands of requests fall into one. */
let lastSecond = { second: Number.NaN, written: '' };

function timestampOf(now: Date): string {
  const second = Math.floor(now.getTime() / 1000);
  if (second !== lastSecond.second) lastSecond = { second, written: now.toISOString().replaceAll(/[-:]|\.\d{3}/g, '') };
  return lastSecond.written;
}

/** As the canonical form has values: no space around them, and one instead of several. */
function trimmed(value: string): string {
  return /^\s|\s$|\s\s|[\t\n\r\f\v]/.test(value) ? value.trim().replaceAll(/\s+/g, ' ') : value;
}

/** Query parameters in the order and encoding that is signed. */
export function queryString(query: Readonly<Record<string, string>>): string {
  const entries = Object.entries(query);
  if (entries.length === 0) return '';
  return entries
    .map(([name, value]) => [encodeS3(name), encodeS3(value)] as const)
    .toSorted((a, b) => (a[0] < b[0] ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}
