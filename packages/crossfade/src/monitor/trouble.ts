import type { RolloutConfig } from '../rollout/config.ts';
import type { Trouble } from '../rollout/plan.ts';

/** One look at the last window: what the edge counted (`null`: the analytics did not answer), what the canary got. */
export interface Sample {
  /** Epoch ms. */
  readonly at: number;
  readonly edge: { readonly requests: number; readonly failed: number } | null;
  readonly canary: { readonly requests: number; readonly failed: number; readonly firstFailedAt: number | null };
}

/** A canary has fewer requests than the public: a few failures, not one, tell chance from trouble. */
const CANARY_MINIMUM = 8;
const CANARY_FAILURES = 3;

/**
 * Judges the newest sample. Shares of failed requests count only above a floor of requests, since one failure
 * among three says nothing; and data that stopped coming is trouble of its own.
 */
export function judgeWindow(samples: readonly Sample[], limits: RolloutConfig['trouble']): Trouble | null {
  const newest = samples.at(-1);
  if (newest === undefined) return null;
  const seconds = limits.windowMs / 1000;
  const { edge, canary } = newest;
  if (edge !== null && edge.requests >= limits.minimumRequests && edge.failed / edge.requests > limits.errorRate) {
    const first = samples.find((sample) => (sample.edge?.failed ?? 0) > 0) ?? newest;
    return {
      measure: `error rate at the edge over ${seconds} s`,
      measured: { rate: round(edge.failed / edge.requests), failed: edge.failed, requests: edge.requests },
      expected: { rate: `<= ${limits.errorRate}` },
      since: iso(Math.min(first.at, canary.firstFailedAt ?? first.at)),
    };
  }
  if (
    canary.requests >= CANARY_MINIMUM &&
    canary.failed >= CANARY_FAILURES &&
    canary.failed / canary.requests > limits.errorRate
  ) {
    return {
      measure: `error rate of the canary's signed reads over ${seconds} s`,
      measured: { rate: round(canary.failed / canary.requests), failed: canary.failed, requests: canary.requests },
      expected: { rate: `<= ${limits.errorRate}` },
      since: iso(canary.firstFailedAt ?? newest.at),
    };
  }
  const lastData = samples.findLast((sample) => (sample.edge?.requests ?? 0) > 0);
  const quietSince = lastData?.at ?? samples[0]?.at ?? newest.at;
  if (newest.at - quietSince > limits.silenceMs) {
    return {
      measure: 'no data from the analytics',
      measured: { silentMs: newest.at - quietSince },
      expected: { silentMs: `<= ${limits.silenceMs}` },
      since: iso(quietSince),
    };
  }
  return null;
}

const iso = (at: number): string => new Date(at).toISOString();
const round = (rate: number): number => Math.round(rate * 10_000) / 10_000;
