import { setTimeout as wait } from 'node:timers/promises';

/** The average may be exceeded by what this long would have brought. */
const BURST_SECONDS = 1;

/** Resolves when so many more bytes may go by. */
export type Bandwidth = (bytes: number, signal: AbortSignal) => Promise<void>;

/**
 * A token bucket that all share. It may be overdrawn by one request, and the next ones wait until that is made good:
 * so an object larger than the bucket passes, and the average holds.
 * @param bytesPerSecond no limit when absent
 */
export function createBandwidth(bytesPerSecond: number | undefined): Bandwidth {
  if (bytesPerSecond === undefined) return () => Promise.resolve();
  let tokens = bytesPerSecond * BURST_SECONDS;
  let filled = performance.now();
  return async (bytes, signal) => {
    const now = performance.now();
    tokens = Math.min(bytesPerSecond * BURST_SECONDS, tokens + ((now - filled) / 1000) * bytesPerSecond);
    filled = now;
    const debt = tokens < 0 ? -tokens : 0;
    tokens -= bytes;
    if (debt > 0) await wait((debt / bytesPerSecond) * 1000, null, { signal });
  };
}
