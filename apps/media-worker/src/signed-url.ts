import { ApiError } from './api-error.ts';
import type { Env } from './env.ts';

interface SigningKey {
  readonly id: string;
  readonly secret: string;
}

/** What a signature binds. A GET binds no type and no length. */
export interface SignedRequest {
  readonly method: 'GET' | 'PUT';
  readonly key: string;
  /** Epoch seconds. */
  readonly expires: number;
  readonly contentType?: string;
  readonly sizeBytes?: number;
}

const HMAC = { name: 'HMAC', hash: 'SHA-256' } as const;

function keysOf(env: Env): SigningKey[] {
  return JSON.parse(env.SIGNING_KEYS) as SigningKey[];
}

const importKey = (secret: string): Promise<CryptoKey> =>
  crypto.subtle.importKey('raw', new TextEncoder().encode(secret), HMAC, false, ['sign', 'verify']);

/** One line per field, lengths first where a field is free text: no two requests share a text. */
function textToSign({ method, key, expires, contentType = '', sizeBytes }: SignedRequest): Uint8Array {
  return new TextEncoder().encode(
    `v1\n${method}\n${expires}\n${sizeBytes ?? ''}\n${contentType.length}:${contentType}\n${key}`,
  );
}

function toBase64Url(bytes: ArrayBuffer): string {
  return btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

/** Strict: only the one spelling that signing makes, so that no second signature for the same bytes exists. */
function fromBase64Url(text: string): Uint8Array | null {
  if (!/^[A-Za-z0-9_-]{43}$/.test(text)) return null;
  const bytes = Uint8Array.from(atob(`${text.replaceAll('-', '+').replaceAll('_', '/')}=`), (char) =>
    char.charCodeAt(0),
  );
  return toBase64Url(bytes.buffer) === text ? bytes : null;
}

/** A key as it stands in a path. */
export function mediaPath(key: string): string {
  return `/media/${key.split('/').map(encodeURIComponent).join('/')}`;
}

/** A short-lived URL on the media domain. */
export async function signUrl(
  env: Env,
  request: Omit<SignedRequest, 'expires'>,
  now = Date.now(),
): Promise<{ url: string; expiresAt: string }> {
  const [signing] = keysOf(env);
  if (signing === undefined) throw new Error('SIGNING_KEYS is empty');
  const expires = Math.floor(now / 1000) + Number(env.SIGNED_URL_SECONDS);
  const signature = await crypto.subtle.sign(
    HMAC,
    await importKey(signing.secret),
    textToSign({ ...request, expires }),
  );
  const query = new URLSearchParams({ m: request.method, exp: String(expires), kid: signing.id });
  if (request.contentType !== undefined) query.set('ct', request.contentType);
  if (request.sizeBytes !== undefined) query.set('len', String(request.sizeBytes));
  query.set('sig', toBase64Url(signature));
  return {
    url: `${env.MEDIA_ORIGIN}${mediaPath(request.key)}?${query}`,
    expiresAt: new Date(expires * 1000).toISOString(),
  };
}

/**
 * What a signed URL allows, if its signature holds for this key and method (compared in constant time by the
 * runtime). HEAD is allowed where GET is.
 * @throws ApiError 403 SIGNATURE_INVALID or SIGNATURE_EXPIRED
 */
export async function verifySignedUrl(
  env: Env,
  method: string,
  key: string,
  url: URL,
  now = Date.now(),
): Promise<SignedRequest> {
  const invalid = new ApiError(403, 'SIGNATURE_INVALID', 'the signature does not fit this request');
  const query = url.searchParams;
  const names = [...query.keys()];
  if (
    new Set(names).size !== names.length ||
    names.some((name) => !['m', 'exp', 'kid', 'ct', 'len', 'sig'].includes(name))
  )
    throw invalid;
  const signed = query.get('m');
  const allowed = signed === 'GET' ? method === 'GET' || method === 'HEAD' : signed === 'PUT' && method === 'PUT';
  const expiresText = query.get('exp') ?? '';
  const lengthText = query.get('len');
  const signature = fromBase64Url(query.get('sig') ?? '');
  const signing = keysOf(env).find((one) => one.id === query.get('kid'));
  if (
    !allowed ||
    (signed !== 'GET' && signed !== 'PUT') ||
    !/^\d{1,12}$/.test(expiresText) ||
    signature === null ||
    signing === undefined
  )
    throw invalid;
  if (lengthText !== null && !/^\d{1,15}$/.test(lengthText)) throw invalid;
  const contentType = query.get('ct');
  const request: SignedRequest = {
    method: signed,
    key,
    expires: Number(expiresText),
    ...(contentType === null ? {} : { contentType }),
    ...(lengthText === null ? {} : { sizeBytes: Number(lengthText) }),
  };
  if (!(await crypto.subtle.verify(HMAC, await importKey(signing.secret), signature, textToSign(request))))
    throw invalid;
  if (request.expires * 1000 < now)
    throw new ApiError(403, 'SIGNATURE_EXPIRED', 'the link has expired; ask for a new one');
  return request;
}
