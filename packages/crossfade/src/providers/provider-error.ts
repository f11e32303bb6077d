import { UnsendableHeader } from './object-meta.ts';
export interface ProviderErrorDetails {
  /** HTTP status; `null` where none came. */
  readonly status: number | null;
  /** The vendor's own code. */
  readonly code?: string | null;
  readonly message: string;
  /** Whether anything answered at all; without it, whether there is a status. */
  readonly reached?: boolean;
  /** Without it, told from the status. */
  readonly retryable?: boolean;
  /** How long the vendor asks to wait, ms. */
  readonly retryAfterMs?: number | null;
  /** What to do next; without it, told from the status. */
  readonly hint?: string | null;
  /** Values that are cut out of the message, wherever the vendor or the network stack put them. */
  readonly secrets?: readonly string[];
}

/** A vendor's text is quoted up to this length: an error page is no message. */
const LONGEST_MESSAGE = 400;

/** What a provider answered instead of what was asked. The message holds no credential. */
export class ProviderError extends Error {
  override readonly name = 'ProviderError';
  readonly provider: string;
  readonly operation: string;
  /** HTTP status; `null` where none came. */
  readonly status: number | null;
  /** The vendor's own code. */
  readonly code: string | null;
  /** Whether anything answered at all. */
  readonly reached: boolean;
  /** Whether the same call may succeed a little later. */
  readonly retryable: boolean;
  /** How long the vendor asks to wait, ms. */
  readonly retryAfterMs: number | null;
  /** What to do next. */
  readonly hint: string | null;

  constructor(provider: string, operation: string, details: ProviderErrorDetails) {
    const { status, code = null, reached = status !== null } = details;
    const coded = code === null ? '' : ` (${code})`;
    const answered = reached ? `answered ${status ?? 'an error'}${coded}` : 'failed';
    super(withoutSecrets(`${provider}: ${operation} ${answered}: ${details.message}`, details.secrets ?? []));
    this.provider = provider;
    this.operation = operation;
    this.status = status;
    this.code = code;
    this.reached = reached;
    this.retryable = details.retryable ?? (!reached || isPassing(status));
    this.retryAfterMs = details.retryAfterMs ?? null;
    this.hint = details.hint === undefined ? hintFor(status, reached) : details.hint;
  }
}

/** What a vendor has not built it will not have built at the next attempt. */
const NOT_IMPLEMENTED = 501;

function isPassing(status: number | null): boolean {
  if (status === null || status === NOT_IMPLEMENTED) return false;
  return status === 408 || status === 425 || status === 429 || status >= 500;
}

function hintFor(status: number | null, reached: boolean): string | null {
  if (!reached) return 'check that the base URL is right and can be reached from this machine';
  if (status === 401 || status === 403) return 'check the credential and what it is allowed to do';
  if (status === 429 || status === 544) return 'the vendor throttles: run it again a little later';
  if (status !== null && status >= 500) return 'the vendor has trouble: see its status page, then run it again';
  return null;
}

function withoutSecrets(text: string, secrets: readonly string[]): string {
  let clean = text;
  for (const secret of secrets) clean = cutOut(clean, secret);
  return clean.length > LONGEST_MESSAGE ? `${clean.slice(0, LONGEST_MESSAGE)}…` : clean;
}

/** From this length on a secret is cut out wherever it stands, characters. */
const SURELY_SECRET = 8;
/** Shorter ones protect nothing: a local store's key is `id` or `s3`, and each such word would be taken for it. */
const POSSIBLY_SECRET = 4;

function cutOut(text: string, secret: string): string {
  if (secret.length < POSSIBLY_SECRET) return text;
  if (secret.length >= SURELY_SECRET) return text.replaceAll(secret, '[redacted]');
  const escaped = secret.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);
  // As a word of its own only: otherwise every "key" within "monkey" would go.
  return text.replaceAll(new RegExp(`(?<![A-Za-z0-9])${escaped}(?![A-Za-z0-9])`, 'g'), '[redacted]');
}

/** Codes of errors that say: an answer came, and cannot be read. undici's parser has none for what is no HTTP. */
const UNREADABLE = new Set([
  'ANSWER_BROKE_OFF',
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_BODY_TIMEOUT',
]);
const PROXIES = ['https_proxy', 'HTTPS_PROXY', 'http_proxy', 'HTTP_PROXY'] as const;

/**
 * The error of a call that was not answered in full. It names the host, which is what a person has to check, and tells
 * one that did not answer from one whose answer could not be read.
 */
export function unreachable(
  provider: string,
  operation: string,
  url: string | URL,
  error: unknown,
  secrets: readonly string[] = [],
): ProviderError {
  const { host } = new URL(url);
  const reason = networkReason(error);
  if (isUnreadable(error)) {
    const message = `what ${host} sent cannot be read: ${reason}`;
    const hint = `check that ${host} is right, and what stands between it and this machine`;
    return new ProviderError(provider, operation, {
      status: null,
      reached: true,
      retryable: true,
      message,
      hint,
      secrets,
    });
  }
  const proxy = PROXIES.find((name) => (process.env[name] ?? '') !== '');
  const way = proxy === undefined ? '' : `, directly or through the proxy that ${proxy} names`;
  return new ProviderError(provider, operation, {
    status: null,
    message: `${host} did not answer: ${reason}`,
    hint: `check that ${host} is right and can be reached from this machine${way}`,
    secrets,
  });
}

function isUnreadable(error: unknown): boolean {
  for (let one = error; one instanceof Error; one = one.cause) {
    const code = 'code' in one && typeof one.code === 'string' ? one.code : '';
    if (UNREADABLE.has(code) || one.name === 'HTTPParserError') return true;
  }
  return false;
}

/** An answer that this vendor does not give: mostly another server behind the URL. */
export function malformed(
  call: { readonly provider: string; readonly operation: string; readonly secrets: readonly string[] },
  status: number,
  message = 'an answer of an unknown shape',
): ProviderError {
  return new ProviderError(call.provider, call.operation, {
    status,
    code: 'malformed',
    message,
    // A proxy on the way may have spoken, or the answer was cut short: the next one may be the vendor's own.
    retryable: true,
    hint: "check that the base URL is the vendor's",
    secrets: call.secrets,
  });
}

/** What the network stack says at the bottom of its causes: `fetch failed` alone helps nobody. */
export function networkReason(error: unknown): string {
  let reason: unknown = error;
  for (;;) {
    if (reason instanceof AggregateError && reason.errors.length > 0) reason = reason.errors[0];
    else if (reason instanceof Error && reason.cause instanceof Error) reason = reason.cause;
    else break;
  }
  if (!(reason instanceof Error)) return String(reason);
  const code = 'code' in reason && typeof reason.code === 'string' ? reason.code : null;
  const message = reason.message === '' ? reason.name : reason.message;
  return code === null || message.includes(code) ? message : `${message} (${code})`;
}

/** Whether what was asked for is not there. */
export function isNotFound(error: unknown): boolean {
  return error instanceof ProviderError && error.status === 404;
}

/** Whether nobody answered at all: the network, not the vendor's refusal. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof ProviderError && !error.reached;
}

/** Answers worth asking again for: throttled, nobody there, or the vendor's own trouble. */
export function isRetryable(error: unknown): boolean {
  return error instanceof ProviderError && error.retryable;
}

/** 544: Supabase Storage's own, when its database cannot keep up (DatabaseTimeout, supabase/storage 1.11.2). */
const OVERLOADED: ReadonlySet<number | null> = new Set([429, 503, 544]);
const OVERLOADED_CODES: ReadonlySet<string | null> = new Set(['SlowDown', 'DatabaseTimeout']);

/** Whether the vendor asks for fewer calls: 429, 544, or a 503 that says so or says nothing else. */
export function isThrottled(error: unknown): boolean {
  return error instanceof ProviderError && (OVERLOADED.has(error.status) || OVERLOADED_CODES.has(error.code));
}

/** Whether the thing is another one than the caller's condition (If-Match) named. */
export function isPreconditionFailed(error: unknown): boolean {
  return error instanceof ProviderError && error.status === 412;
}

/**
 * How a store refuses an object for what it is: the S3 API's error codes, and two of Supabase Storage's (seen on
 * supabase/storage 1.11.2).
 */
const REFUSALS: ReadonlySet<string> = new Set([
  'EntityTooLarge',
  'KeyTooLongError',
  'MetadataTooLarge',
  'InvalidMimeType',
  'InvalidKey',
]);

/** Codes by which a store will not give one object: an archived one says nothing about its neighbour (S3 API). */
const WITHHELD: ReadonlySet<string> = new Set(['InvalidObjectState', 'MethodNotAllowed', 'NoSuchKey']);

/** Whether a store's answer speaks of the one object, so that the next may fare better. */
export function isOfTheObject(error: unknown): boolean {
  if (isRefusedForGood(error)) return true;
  return error instanceof ProviderError && error.code !== null && WITHHELD.has(error.code);
}

/** Whether a store refuses an object's size, type, key or metadata: the same object will be refused again. */
export function isRefusedForGood(error: unknown): boolean {
  if (error instanceof UnsendableHeader) return true;
  if (!(error instanceof ProviderError)) return false;
  return error.status === 413 || error.status === 415 || (error.code !== null && REFUSALS.has(error.code));
}
