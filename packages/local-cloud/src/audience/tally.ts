import { createHistogram } from 'node:perf_hooks';
import type { WriteCounts } from './write-record.ts';

export type Side = 'legacy' | 'edge';

export interface AudienceStats {
  requests: number;
  failed: number;
  longestGapMs: number;
  p50Ms: number;
  p99Ms: number;
  /** `planted`: the answer itself said that a scenario made it. */
  reasons: { reason: string; count: number; planted: boolean }[];
  seconds: { at: string; ok: number; failed: number; legacy: number; edge: number }[];
  firstFailureAt: string | null;
  lastFailureAt: string | null;
  /** What the uploaders were told succeeded, on each side. */
  written: Record<Side, WriteCounts>;
  seed: number | null;
}

/** Why a request failed, and whether a scenario planted that. */
export interface Failure {
  readonly reason: string;
  readonly planted: boolean;
}

/** Seconds that are kept for the graph. */
const SECONDS_KEPT = 120;

/** Counts every request with its latency from the intended start, and the failed ones by reason. */
export function createTally() {
  const histogram = createHistogram({ figures: 3 });
  const reasons = new Map<string, { reason: string; count: number; planted: boolean }>();
  const seconds: { second: number; ok: number; failed: number; legacy: number; edge: number }[] = [];
  let requests = 0;
  let failed = 0;
  let longestGapMs = 0;
  let lastSuccess: number | null = null;
  let firstFailureAt: number | null = null;
  let lastFailureAt: number | null = null;

  const bucketOf = (now: number) => {
    const second = Math.floor(now / 1000);
    let last = seconds.at(-1);
    if (last === undefined || last.second < second) {
      last = { second, ok: 0, failed: 0, legacy: 0, edge: 0 };
      seconds.push(last);
      if (seconds.length > SECONDS_KEPT) seconds.shift();
    }
    return last;
  };
  return {
    /** The clock of gaps begins when the audience does. */
    begin(): void {
      lastSuccess = Date.now();
    },
    count(side: Side, latencyMs: number, failure: Failure | null): void {
      const now = Date.now();
      const second = bucketOf(now);
      requests++;
      second[side]++;
      histogram.record(Math.max(1, Math.round(latencyMs * 1000)));
      if (failure === null) {
        second.ok++;
        if (lastSuccess !== null) longestGapMs = Math.max(longestGapMs, now - lastSuccess);
        lastSuccess = now;
        return;
      }
      failed++;
      second.failed++;
      const key = JSON.stringify(failure);
      const known = reasons.get(key) ?? { ...failure, count: 0 };
      known.count++;
      reasons.set(key, known);
      firstFailureAt ??= now;
      lastFailureAt = now;
    },
    stats({ written, seed }: Pick<AudienceStats, 'written' | 'seed'>): AudienceStats {
      const iso = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString());
      const current = Math.floor(Date.now() / 1000);
      return {
        requests,
        failed,
        longestGapMs,
        p50Ms: requests === 0 ? 0 : histogram.percentile(50) / 1000,
        p99Ms: requests === 0 ? 0 : histogram.percentile(99) / 1000,
        reasons: [...reasons.values()].map((one) => ({ ...one })).toSorted((a, b) => b.count - a.count),
        // The running second is not whole yet.
        seconds: seconds
          .filter((one) => one.second < current)
          .map(({ second, ...counts }) => ({ at: new Date(second * 1000).toISOString(), ...counts })),
        firstFailureAt: iso(firstFailureAt),
        lastFailureAt: iso(lastFailureAt),
        written,
        seed,
      };
    },
  };
}
export type Tally = ReturnType<typeof createTally>;
