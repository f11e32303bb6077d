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

/** Whole seconds, as HTTP dates have them; `null` when the header is no date. */
function seconds(header: string): number | null {
  const ms = Date.parse(header);
  return Number.isNaN(ms) ? null : Math.floor(ms / 1000);
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
    const since = seconds(headers.get('if-unmodified-since') ?? '');
    if (since !== null && modifiedSeconds > since) return 'failed';
  }
  const ifNoneMatch = headers.get('if-none-match');
  if (ifNoneMatch !== null) return inList(ifNoneMatch, etag) ? 'not modified' : 'go on';
  const since = seconds(headers.get('if-modified-since') ?? '');
  return since !== null && modifiedSeconds <= since ? 'not modified' : 'go on';
}

/** Whether a `Range` may be honoured: no `If-Range`, or one that names exactly this representation. */
export function rangeStillFits(headers: Headers, etag: string, modified: Date): boolean {
  const ifRange = headers.get('if-range');
  if (ifRange === null) return true;
  if (ifRange.startsWith('"') || ifRange.startsWith('W/')) return !etag.startsWith('W/') && ifRange === etag;
  return seconds(ifRange) === Math.floor(modified.getTime() / 1000);
}
