/** The spans that the vendor's usage endpoint knows, each the time back from now that it covers. */
const SPANS = [
  ['15min', 15],
  ['30min', 30],
  ['1hr', 60],
  ['3hr', 3 * 60],
  ['1day', 24 * 60],
  ['3day', 3 * 24 * 60],
  ['7day', 7 * 24 * 60],
] as const;
const MINUTE_MS = 60_000;

/** The shortest span that reaches back to `sinceMs`; `null` when none does. Epoch ms. */
export function spanSince(sinceMs: number, nowMs: number): string | null {
  const span = SPANS.find(([, minutes]) => nowMs - sinceMs <= minutes * MINUTE_MS);
  return span === undefined ? null : span[0];
}

export interface UsageBucket {
  /** ISO 8601, UTC with or without its Z. */
  readonly timestamp: string;
  readonly total_storage_requests: number;
}

/**
 * Requests of the buckets of time that touch the window (epoch ms). A bucket lasts until the next one begins, so one
 * that is half inside counts whole: as evidence that nobody reads, too many is the safe side.
 */
export function requestsWithin(buckets: readonly UsageBucket[], sinceMs: number, untilMs: number): number {
  const starts = buckets
    .map((bucket) => ({ start: utc(bucket.timestamp), requests: bucket.total_storage_requests }))
    .toSorted((a, b) => a.start - b.start);
  let total = 0;
  for (const [index, { start, requests }] of starts.entries()) {
    const end = starts[index + 1]?.start ?? Infinity;
    if (start < untilMs && end > sinceMs) total += requests;
  }
  return total;
}

function utc(timestamp: string): number {
  return Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(timestamp) ? timestamp : `${timestamp.replace(' ', 'T')}Z`);
}
