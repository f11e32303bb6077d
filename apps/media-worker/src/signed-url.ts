import { ApiError } from './api-error.ts';
import type { Env } from './env.ts';

interface SigningKey {
  readonly id: string;
  readonly secret: string;
}

/** What a signature binds. A GET binds no type and no length; a part of an upload binds no type. */
export interface SignedRequest {
  readonly method: 'GET' | 'PUT';
  readonly key: string;
  /** Epoch seconds. */
  readonly expires: number;
  readonly contentType?: string;
  readonly sizeBytes?: number;
  /** The bucket's id of a multipart upload, and the part's number from 1; without a part, one replacement of a file. */
  readonly upload?: string;
  readonly part?: number;
  /** A reader's browser saves the file instead of playing it. */
  readonly download?: boolean;
}

/** What a signed URL may carry; anything else would be unsigned. */
const NAMES: ReadonlySet<string> = new Set(['m', 'exp', 'kid', 'ct', 'len', 'up', 'part', 'dl', 'sig']);
const HMAC = { name: 'HMAC', hash: 'SHA-256' } as const;

/** Reading and importing the same keys for every request costs more than the signature itself. */
const parsedKeys = new Map<string, SigningKey[]>();
const importedKeys = new Map<string, Promise<CryptoKey>>();

function keysOf(env: Env): SigningKey[] {
  const known = parsedKeys.get(env.SIGNING_KEYS) ?? (JSON.parse(env.SIGNING_KEYS) as SigningKey[]);
  parsedKeys.set(env.SIGNING_KEYS, known);
  return known;
}

function importKey(secret: string): Promise<CryptoKey> {
  const known =
    importedKeys.get(secret) ??
    crypto.subtle.importKey('raw', new TextEncoder().encode(secret), HMAC, false, ['sign', 'verify']);
  importedKeys.set(secret, known);
  return known;
}

/** The key that signs now. */
function signingKey(env: Env): SigningKey {
  const [signing] = keysOf(env);
  if (signing === undefined) throw new Error('SIGNING_KEYS is empty');
  return signing;
}

/** One line per field, lengths first where a field is free text: no two requests share a text. */
function textToSign(request: SignedRequest): Uint8Array {
  const { method, key, expires, contentType = '', sizeBytes, upload = '', part, download = false } = request;
  return new TextEncoder().encode(
    [
      'v2',
      method,
      expires,
      sizeBytes ?? '',
      `${contentType.length}:${contentType}`,
      `${upload.length}:${upload}`,
      part ?? '',
      download ? 'download' : '',
      key,
    ].join('\n'),
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
  const signing = signingKey(env);
  const expires = Math.floor(now / 1000) + Number(env.SIGNED_URL_SECONDS);
  const signature = await crypto.subtle.sign(
    HMAC,
    await importKey(signing.secret),
    textToSign({ ...request, expires }),
  );
  const query = new URLSearchParams({ m: request.method, exp: String(expires), kid: signing.id });
  if (request.contentType !== undefined) query.set('ct', request.contentType);
  if (request.sizeBytes !== undefined) query.set('len', String(request.sizeBytes));
  if (request.upload !== undefined) query.set('up', request.upload);
  if (request.part !== undefined) query.set('part', String(request.part));
  if (request.download === true) query.set('dl', '1');
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
  if (new Set(names).size !== names.length || names.some((name) => !NAMES.has(name))) throw invalid;
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
  const upload = query.get('up');
  const partText = query.get('part');
  if (partText !== null && !/^[1-9]\d{0,4}$/.test(partText)) throw invalid;
  const download = query.get('dl');
  if (download !== null && download !== '1') throw invalid;
  const request: SignedRequest = {
    method: signed,
    key,
    expires: Number(expiresText),
    ...(contentType === null ? {} : { contentType }),
    ...(lengthText === null ? {} : { sizeBytes: Number(lengthText) }),
    ...(upload === null ? {} : { upload }),
    ...(partText === null ? {} : { part: Number(partText) }),
    ...(download === null ? {} : { download: true }),
  };
  if (!(await crypto.subtle.verify(HMAC, await importKey(signing.secret), signature, textToSign(request))))
    throw invalid;
  checkExpiry(request, now);
  return request;
}

/** @throws ApiError 403 SIGNATURE_EXPIRED */
export function checkExpiry({ expires }: SignedRequest, now = Date.now()): void {
  if (expires * 1000 < now) throw new ApiError(403, 'SIGNATURE_EXPIRED', 'the link has expired; ask for a new one');
}

/** An upload in parts, as the client carries it from request to request: ours, signed, so that nothing need be kept. */
export interface UploadTicket {
  readonly key: string;
  /** The bucket's own id. */
  readonly upload: string;
  readonly sizeBytes: number;
  readonly contentType: string;
  readonly title: string | null;
}

/** The ticket as text: its fields and their signature. */
export async function sealTicket(env: Env, ticket: UploadTicket): Promise<string> {
  const body = toBase64Url(new TextEncoder().encode(JSON.stringify(ticket)).buffer as ArrayBuffer);
  const signing = signingKey(env);
  const text = new TextEncoder().encode(`ticket\n${signing.id}\n${body}`);
  return `${signing.id}.${body}.${toBase64Url(await crypto.subtle.sign(HMAC, await importKey(signing.secret), text))}`;
}

/**
 * The ticket for this key.
 * @throws ApiError 403 UPLOAD_INVALID
 */
export async function openTicket(env: Env, key: string, sealed: unknown): Promise<UploadTicket> {
  const invalid = new ApiError(403, 'UPLOAD_INVALID', 'there is no such upload');
  const [, id = '', body = '', given = ''] =
    /^([^.]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/.exec(typeof sealed === 'string' ? sealed : '') ?? [];
  const signing = keysOf(env).find((one) => one.id === id);
  const signature = fromBase64Url(given);
  if (signing === undefined || signature === null) throw invalid;
  const text = new TextEncoder().encode(`ticket\n${id}\n${body}`);
  if (!(await crypto.subtle.verify(HMAC, await importKey(signing.secret), signature, text))) throw invalid;
  const bytes = Uint8Array.from(atob(body.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
  const ticket = JSON.parse(new TextDecoder().decode(bytes)) as UploadTicket;
  if (ticket.key !== key) throw invalid;
  return ticket;
}
