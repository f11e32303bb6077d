import { hash } from 'node:crypto';

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}

/** The payload's bytes are not part of the signature; TLS and Content-MD5 guard them. */
export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD';

const BLOCK_BYTES = 64;

type Sign = (text: string) => Buffer;

/**
 * HMAC-SHA256 (RFC 2104) with a key that is used again and again. `createHmac` makes a key object for each call, which
 * costs more than all the rest of a signature.
 */
function hmacWith(key: Buffer): Sign {
  const block = Buffer.alloc(BLOCK_BYTES);
  (key.byteLength > BLOCK_BYTES ? hash('sha256', key, 'buffer') : key).copy(block);
  const inner = block.map((byte) => byte ^ 0x36);
  const outer = block.map((byte) => byte ^ 0x5c);
  return (text) => {
    const digest = hash('sha256', Buffer.concat([inner, Buffer.from(text)]), 'buffer');
    return hash('sha256', Buffer.concat([outer, digest]), 'buffer');
  };
}

/** The signing keys of the day, by credential: four HMACs that hardly ever change. */
const ofTheDay = new WeakMap<S3Credentials, { readonly date: string; readonly sign: Sign }>();

function signerFor(credentials: S3Credentials, date: string): Sign {
  const known = ofTheDay.get(credentials);
  if (known?.date === date) return known.sign;
  const { region, secretAccessKey } = credentials;
  let key: Buffer = Buffer.from(`AWS4${secretAccessKey}`);
  for (const text of [date, region, 's3', 'aws4_request']) key = hmacWith(key)(text);
  const sign = hmacWith(key);
  ofTheDay.set(credentials, { date, sign });
  return sign;
}

/** RFC 3986 encoding as S3 wants it: everything but unreserved characters, UTF-8, upper-case hex. */
export function encodeS3(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** A key as a path: its slashes stay. */
export function encodeKey(key: string): string {
  return key.split('/').map(encodeS3).join('/');
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
  const timestamp = now.toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
  const date = timestamp.slice(0, 8);
  const payloadHash = request.payloadHash ?? UNSIGNED_PAYLOAD;
  const headers: Record<string, string> = {
    ...request.headers,
    'x-amz-date': timestamp,
    'x-amz-content-sha256': payloadHash,
  };
  const names = Object.keys(headers).toSorted();
  const canonical = [
    request.method,
    request.path,
    request.search,
    ...names.map((name) => `${name}:${(headers[name] ?? '').trim().replaceAll(/\s+/g, ' ')}`),
    '',
    names.join(';'),
    payloadHash,
  ].join('\n');
  const scope = `${date}/${credentials.region}/s3/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', timestamp, scope, hash('sha256', canonical)].join('\n');
  const signature = signerFor(credentials, date)(toSign).toString('hex');
  return {
    ...headers,
    authorization: `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
  };
}

/** Query parameters in the order and encoding that is signed. */
export function queryString(query: Readonly<Record<string, string>>): string {
  return Object.entries(query)
    .map(([name, value]) => [encodeS3(name), encodeS3(value)] as const)
    .toSorted((a, b) => (a[0] < b[0] ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}
