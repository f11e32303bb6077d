import { messageFor } from './messages.ts';

/** A refusal, with the words for the person and the code for the app. */
export class StudioError extends Error {
  readonly code: string;
  /** Whether the same may succeed a little later. */
  readonly mayPass: boolean;
  readonly retryAfterMs: number | null;
  constructor(
    code: string,
    message = messageFor(code),
    more: { mayPass?: boolean; retryAfterMs?: number | null } = {},
  ) {
    super(message);
    this.code = code;
    this.mayPass = more.mayPass ?? (code === 'OFFLINE' || code === 'UNREACHABLE');
    this.retryAfterMs = more.retryAfterMs ?? null;
  }
}

/** Links that are alive block new ones for at most five minutes; nobody waits longer without being told, ms. */
const LONGEST_WAIT_MS = 6 * 60_000;

/** What an answer means that carries no code of the API's: a proxy's, or a gateway's. */
const CODE_OF_STATUS: Readonly<Record<number, string>> = {
  401: 'TOKEN_INVALID',
  404: 'NOT_FOUND',
  413: 'FILE_TOO_LARGE',
  429: 'RATE_LIMITED',
};

/** `Retry-After` in seconds; it may come as a date (RFC 9110, 10.2.3). */
export function retryAfterSeconds(header: string | null, now = Date.now()): number | null {
  if (header === null || header.trim() === '') return null;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds);
  const at = Date.parse(header);
  return Number.isNaN(at) ? null : Math.max(0, Math.ceil((at - now) / 1000));
}

/** The refusal that an answer holds; `code` is `null` where the body told none. */
export function refusal(status: number, code: string | null, retryAfter: string | null): StudioError {
  const known = code ?? CODE_OF_STATUS[status] ?? 'INTERNAL';
  const seconds = retryAfterSeconds(retryAfter);
  const retryAfterMs = seconds === null ? null : seconds * 1000;
  const passing = status === 408 || status === 429 || status >= 500;
  return new StudioError(known, messageFor(known, seconds), {
    // A quota that is used up is no hiccup, however soon the day ends.
    mayPass: passing && known !== 'QUOTA_EXCEEDED' && (retryAfterMs ?? 0) <= LONGEST_WAIT_MS,
    retryAfterMs,
  });
}

/** Anything thrown, as a refusal with words that a person can use. */
export function asStudioError(error: unknown): StudioError {
  if (error instanceof StudioError) return error;
  if (error instanceof DOMException && error.name === 'NotAllowedError') return new StudioError('PLAYBACK_BLOCKED');
  if (error instanceof DOMException && error.name === 'NotSupportedError') return new StudioError('PLAYBACK_FAILED');
  return new StudioError('INTERNAL');
}
