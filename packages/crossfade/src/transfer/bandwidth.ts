import { setTimeout as wait } from 'node:timers/promises';

/** The average may be exceeded by what this long would have brought. */
const BURST_SECONDS = 1;

/** Resolves when so many more bytes may go by. */
export type Bandwidth = (bytes: number, signal: AbortSignal) => Promise<void>;

/** How soon a change of the limit is heard, ms. */
const LISTEN_MS = 1000;

/**
 * A token bucket that all share. It may be overdrawn by one request, and the next ones wait until that is made good:
 * so an object larger than the bucket passes, and the average holds.
 * @param limit no limit when absent; a function may answer otherwise each time, `null` for no limit
 */
export function createBandwidth(limit: number | (() => number | null) | undefined): Bandwidth {
  if (limit === undefined) return () => Promise.resolve();
  const rate = typeof limit === 'number' ? () => limit : limit;
  let tokens = (rate() ?? 0) * BURST_SECONDS;
  let filled = performance.now();
  function fill(perSecond: number): void {
    const now = performance.now();
    tokens = Math.min(perSecond * BURST_SECONDS, tokens + ((now - filled) / 1000) * perSecond);
    filled = now;
  }
  return async (bytes, signal) => {
    const first = rate();
    if (first === null) return;
    fill(first);
    let debt = -tokens;
    tokens -= bytes;
    // Waited for in pieces: the limit may be another one by then.
    for (let perSecond: number | null = first; debt > 0 && perSecond !== null; perSecond = rate()) {
      const waitMs = Math.min(LISTEN_MS, (debt / perSecond) * 1000);
      await wait(waitMs, null, { signal });
      debt -= (waitMs / 1000) * perSecond;
      if (debt < 1e-6) return;
    }
  };
}
