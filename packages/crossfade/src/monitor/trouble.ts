import type { RolloutConfig } from '../rollout/config.ts';
import type { Trouble } from '../rollout/plan.ts';
import { seconds, type Count } from './burn-rate.ts';

/** Names that stay: pages, filters and reports are built on them. Those of the PRD carry its names. */
export const ALERTS = {
  workerDown: 'critical',
  highErrorRate: 'critical',
  wrongBytes: 'critical',
  foreignObject: 'critical',
  noData: 'critical',
  tooSlow: 'critical',
  highResponseTime: 'warning',
  lowSuccessRate: 'warning',
  mirrorLag: 'warning',
  legacyRefuses: 'warning',
  // What never rolls back (`ROLLS_BACK` leaves it out).
  quotaExceeded: 'critical',
  highCostRate: 'warning',
  highUsage: 'info',
  newUserSignup: 'info',
  largeUpload: 'info',
} as const;
export type AlertRule = keyof typeof ALERTS;

/** Critical alerts after which production does not stay. A quota that many run into is a matter for people. */
export const ROLLS_BACK: ReadonlySet<string> = new Set(
  Object.entries(ALERTS).flatMap(([rule, severity]) =>
    severity === 'critical' && rule !== 'quotaExceeded' ? [rule] : [],
  ),
);

/** A trouble, and the alert that it fires. */
export interface Finding {
  readonly rule: AlertRule;
  readonly trouble: Trouble;
}

/**
 * Whether somebody has been silent for too long. `observedSince` is when this process began to look, or woke up: it
 * has not observed the silence of an hour in which it slept.
 */
export function judgeSilence(
  who: string,
  heard: { readonly lastAt: number | null; readonly observedSince: number; readonly lastError: string | null },
  silenceMs: number,
  now: number,
): Trouble | null {
  const since = Math.max(heard.lastAt ?? heard.observedSince, heard.observedSince);
  if (now - since <= silenceMs) return null;
  return {
    measure: `no data from ${who} for ${seconds(now - since)}`,
    measured: { silentMs: now - since, lastError: heard.lastError },
    expected: { silentMs: `<= ${silenceMs}` },
    since: new Date(since).toISOString(),
  };
}

/**
 * Whether the canary's reads are slow, told from the share above a limit: p95 is above it exactly when more than 5 %
 * are. Both windows must be, and a floor of slow reads holds back a stall of a second or two.
 */
export function judgeSlowness(
  limitMs: number,
  windows: { readonly long: Count; readonly short: Count; readonly longMs: number; readonly shortMs: number },
  limits: Pick<RolloutConfig['trouble'], 'responseTime' | 'minimumRequests'>,
  now: number,
): Trouble | null {
  const { percentile, minimumSlow } = limits.responseTime;
  const { long, short } = windows;
  if (long.requests < limits.minimumRequests || long.failed < minimumSlow) return null;
  if (!isSlow(long, percentile) || !isSlow(short, percentile)) return null;
  const p = `p${Math.round(percentile * 1000) / 10}`;
  return {
    measure: `${p} of the canary's signed reads over ${seconds(windows.longMs)} and ${seconds(windows.shortMs)}`,
    measured: { [`slowerThan${limitMs}Ms`]: long.failed, reads: long.requests },
    expected: { [`${p}Ms`]: `<= ${limitMs}` },
    since: new Date(long.firstFailedAt ?? now).toISOString(),
  };
}

/** In a count of slow reads, `failed` are the slow ones. */
export const isSlow = ({ requests, failed }: Count, percentile: number): boolean =>
  requests > 0 && failed / requests > 1 - percentile;
