import { createHistogram } from 'node:perf_hooks';

export interface LoadResult {
  readonly requests: number;
  readonly failed: number;
  /** Answered per second over the measured time: from its begin until no answer was late any more. */
  readonly perSecond: number;
  /** Measured from the intended start, ms. */
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly firstError: string | null;
}

/**
 * Requests at a fixed arrival rate, whether or not earlier ones were answered, so that a stall shows in the
 * latencies instead of hiding in fewer requests (coordinated omission). The warm-up is not counted.
 * `answerMs` is what one answer may take before waiting for it lowers the rate: without it, every answer would lower
 * the rate by its own latency, which is another question than whether as many are answered as are asked.
 */
export async function openLoad(
  options: { perSecond: number; warmUpMs: number; durationMs: number; answerMs: number; signal: AbortSignal },
  request: (index: number) => Promise<void>,
): Promise<LoadResult> {
  const histogram = createHistogram({ figures: 3 });
  const start = performance.now();
  const total = Math.ceil(((options.warmUpMs + options.durationMs) / 1000) * options.perSecond);
  let requests = 0;
  let failed = 0;
  let lastDone = 0;
  let firstError: string | null = null;
  const inFlight: Promise<void>[] = [];
  for (let index = 0; index < total && !options.signal.aborted; index++) {
    const offset = (index * 1000) / options.perSecond;
    const intended = start + offset;
    const wait = intended - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const counted = offset >= options.warmUpMs;
    inFlight.push(
      request(index)
        .catch((error: unknown) => {
          if (!counted) return;
          failed++;
          firstError ??= error instanceof Error ? error.message : String(error);
        })
        .then(() => {
          if (!counted) return;
          requests++;
          lastDone = performance.now();
          histogram.record(Math.max(1, Math.round((lastDone - intended) * 1000)));
        }),
    );
  }
  await Promise.all(inFlight);
  const ms = (percentile: number): number => Math.round(histogram.percentile(percentile) / 100) / 10;
  const measuredMs = Math.max(options.durationMs, lastDone - start - options.warmUpMs - options.answerMs);
  return {
    requests,
    failed,
    perSecond: Math.round((requests / measuredMs) * 10_000) / 10,
    p50Ms: ms(50),
    p95Ms: ms(95),
    p99Ms: ms(99),
    firstError,
  };
}
