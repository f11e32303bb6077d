import { parseHttpDate } from './http-date.ts';

/** RFC 9110 §13.1: what makes an answer depend on the object's state. */
const CONDITIONS = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'if-range'];

/** Whether a request asks for something under a condition. */
export const isConditional = (headers: Headers): boolean => CONDITIONS.some((name) => headers.has(name));

/** The weak comparison of RFC 9110 §8.8.3.2: the tags are equal but for `W/`. */
function weaklyEqual(a: string, b: string): boolean {
  return a.replace(/^W\//, '') === b.replace(/^W\//, '');
}

const inList = (header: string, etag: string): boolean =>
  header.trim() === '*' || header.split(',').some((one) => weaklyEqual(one.trim(), etag));

/** The header's date in whole seconds; `null` when it is absent or no HTTP-date, and so to be ignored (RFC 9110 §13.1.3). */
function dateOf(headers: Headers, name: string): number | null {
  const text = headers.get(name);
  return text === null ? null : parseHttpDate(text);
}

/**
 * How long an object that may be overwritten has to have been there before its date tells it from every other version,
 * ms from the beginning of that second: the second itself, in which it may be written again, and one for the difference
 * between the bucket's clock and ours.
 */
const DATE_SETTLES_MS = 2000;

/**
 * Whether the date is a strong validator (RFC 9110 §8.8.2.2). In its own second it is none: the next version may have the
 * same. So it is not told to anybody until that second is over, and whoever knows it has seen the last version of it.
 */
export function isDateStrong(etag: string, modified: Date, now = Date.now()): boolean {
  const immutable = !etag.startsWith('W/');
  return immutable || now - Math.floor(modified.getTime() / 1000) * 1000 >= DATE_SETTLES_MS;
}

export type Precondition = 'go on' | 'not modified' | 'failed';

/** RFC 9110 §13.2.2, in its order: If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since. */
export function judgePreconditions(headers: Headers, etag: string, modified: Date): Precondition {
  const modifiedSeconds = Math.floor(modified.getTime() / 1000);
  const ifMatch = headers.get('if-match');
  if (ifMatch !== null) {
    // The strong comparison: a weak tag never matches.
    const strong =
      ifMatch.trim() === '*' || (!etag.startsWith('W/') && ifMatch.split(',').some((one) => one.trim() === etag));
    if (!strong) return 'failed';
  } else {
    const since = dateOf(headers, 'if-unmodified-since');
    if (since !== null && modifiedSeconds > since) return 'failed';
  }
  const ifNoneMatch = headers.get('if-none-match');
  if (ifNoneMatch !== null) return inList(ifNoneMatch, etag) ? 'not modified' : 'go on';
  const since = dateOf(headers, 'if-modified-since');
  return since !== null && modifiedSeconds <= since ? 'not modified' : 'go on';
}

/** Whether a `Range` may be honoured: no `If-Range`, or one that names exactly this representation (RFC 9110 §13.1.5). */
export function rangeStillFits(headers: Headers, etag: string, modified: Date, now = Date.now()): boolean {
  const ifRange = headers.get('if-range');
  if (ifRange === null) return true;
  if (ifRange.startsWith('"') || ifRange.startsWith('W/')) return !etag.startsWith('W/') && ifRange === etag;
  return isDateStrong(etag, modified, now) && parseHttpDate(ifRange, now) === Math.floor(modified.getTime() / 1000);
}
