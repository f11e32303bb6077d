import type { RolloutConfig } from '../rollout/config.ts';
import type { Trouble } from '../rollout/plan.ts';

/** Requests of one window, and the failed ones among them with the start of the first (epoch ms). */
export interface Count {
  readonly requests: number;
  readonly failed: number;
  readonly firstFailedAt: number | null;
}

/** A rule with its windows as long as this run has them, ms. */
export interface BurnRule {
  readonly name: string;
  readonly longMs: number;
  readonly shortMs: number;
  readonly factor: number;
  readonly action: 'roll back' | 'warn';
}

/** What a rule is held against: the budget is a share of requests between 0 and 1. */
export interface Budget {
  readonly errorRate: number;
  readonly minimumRequests: number;
  readonly minimumFailed: number;
}

/** No window is shorter, ms: two looks at production fall into it. */
const SHORTEST_WINDOW_MS = 1000;

/** The plan's rules, their windows scaled to the time that this run watches: by deadline / planned of the monitor phase. */
export function burnRules({ trouble, durations }: Pick<RolloutConfig, 'trouble' | 'durations'>): BurnRule[] {
  const { plannedMs, deadlineMs } = durations.monitor;
  const scale = plannedMs === 0 ? 1 : deadlineMs / plannedMs;
  return trouble.burnRates.map((rule) => {
    const shortMs = Math.max(SHORTEST_WINDOW_MS, Math.round(rule.shortMs * scale));
    return { ...rule, shortMs, longMs: Math.max(2 * shortMs, Math.round(rule.longMs * scale)) };
  });
}

const rate = ({ requests, failed }: Count): number => (requests === 0 ? 0 : failed / requests);

/** Whether a window burns the budget faster than the rule allows; its floor is the long window's business. */
export const isHot = (window: Count, rule: BurnRule, budget: Budget): boolean =>
  rate(window) > rule.factor * budget.errorRate;

/**
 * Both windows must burn: the long one says that it matters, the short one that it still goes on. One failure among
 * three requests says nothing, so the long one needs a floor of requests and of failures.
 */
export function judgeBurn(
  where: string,
  rule: BurnRule,
  windows: { readonly long: Count; readonly short: Count },
  budget: Budget,
  now: number,
): Trouble | null {
  const { long, short } = windows;
  if (long.requests < budget.minimumRequests || long.failed < budget.minimumFailed) return null;
  if (!isHot(long, rule, budget) || !isHot(short, rule, budget)) return null;
  return {
    measure: `error rate ${where} over ${seconds(rule.longMs)} and ${seconds(rule.shortMs)}`,
    measured: {
      rate: round(rate(long)),
      failed: long.failed,
      requests: long.requests,
      rateNow: round(rate(short)),
      burn: Math.round((rate(long) / budget.errorRate) * 10) / 10,
    },
    expected: { rate: `<= ${round(rule.factor * budget.errorRate)}`, burn: `<= ${rule.factor}` },
    since: new Date(long.firstFailedAt ?? short.firstFailedAt ?? now).toISOString(),
  };
}

/** As a person reads it: `4.5 s`, `5 min`, `6 h`. */
export function seconds(ms: number): string {
  if (ms >= 3_600_000 && ms % 3_600_000 === 0) return `${ms / 3_600_000} h`;
  if (ms >= 60_000 && ms % 60_000 === 0) return `${ms / 60_000} min`;
  return `${Math.round(ms / 100) / 10} s`;
}

const round = (share: number): number => Math.round(share * 10_000) / 10_000;
