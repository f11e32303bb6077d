import { startObservedClock } from './observed-clock.ts';

/** A gap in which this process did not even run a timer counts as so much at most, ms: it was asleep. */
const TICK_MS = 50;

/**
 * Asks the world again and again until it shows what is wanted; for what sends no event (DNS caches, a vendor's
 * API). The time is that which this process was awake. Answers with the last reading and whether it was good; throws only what `read` throws at the last try.
 */
export async function until<Reading>(
  read: () => Promise<Reading>,
  isGood: (reading: Reading) => boolean,
  options: { timeoutMs: number; everyMs: number; signal?: AbortSignal },
): Promise<{ good: boolean; reading: Reading; ms: number }> {
  const start = performance.now();
  const clock = startObservedClock(TICK_MS);
  try {
    for (;;) {
      const last = clock.elapsedMs() + options.everyMs > options.timeoutMs || options.signal?.aborted === true;
      try {
        const reading = await read();
        const good = isGood(reading);
        if (good || last) return { good, reading, ms: Math.round(performance.now() - start) };
      } catch (error) {
        if (last) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, options.everyMs));
    }
  } finally {
    clock.stop();
  }
}
