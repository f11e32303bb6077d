import type { HttpStatusCount } from '../providers/providers.ts';
import { ProviderError } from '../providers/provider-error.ts';
import type { Trouble } from '../rollout/plan.ts';
import { isHot, judgeBurn, type Budget, type BurnRule, type Count } from './burn-rate.ts';
import { judgeSilence } from './trouble.ts';

/** A window is asked for again after a tenth of it, at most so often: the vendor limits questions (300 in 5 min). */
const ASK_AT_MOST_EVERY_MS = 500;
const ASKS_A_WINDOW = 10;

/** What one rule says after its newest look; `hot: null` when there was nothing to look at. */
export interface RuleState {
  readonly rule: BurnRule;
  readonly hot: boolean | null;
  readonly trouble: Trouble | null;
}

/** Production as the edge counts it: the vendor's analytics, which may come late or not at all. */
export interface EdgeWatch {
  /** Asks for what is due. Throws what is no answer of the vendor but a fault of ours. */
  look(now: number): Promise<void>;
  states(): readonly RuleState[];
  silence(now: number): Trouble | null;
  /** Nothing from before `now` was observed. */
  forget(now: number): void;
}

type Ask = (sinceMs: number, untilMs: number) => Promise<readonly HttpStatusCount[]>;

export function createEdgeWatch(
  ask: Ask,
  rules: readonly BurnRule[],
  budget: Budget,
  silenceMs: number,
  startedAt: number,
): EdgeWatch {
  let observedSince = startedAt;
  let lastAt: number | null = null;
  let lastError: string | null = null;
  const due = new Map<string, number>();
  const states = new Map<string, RuleState>();
  /** Since when a rule's short window has shown failures without a break. */
  const failingSince = new Map<string, number>();
  let looking = false;

  async function count(windowMs: number, now: number): Promise<Count | null> {
    try {
      const statuses = await ask(Math.max(now - windowMs, observedSince), now);
      lastError = null;
      const sum = (least: number): number =>
        statuses.filter((one) => one.status >= least).reduce((total, one) => total + one.requests, 0);
      return { requests: sum(0), failed: sum(500), firstFailedAt: null };
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      lastError = error.message;
      return null;
    }
  }

  async function judge(rule: BurnRule, now: number): Promise<void> {
    const generation = observedSince;
    const short = await count(rule.shortMs, now);
    if (short === null || generation !== observedSince) return;
    if (short.requests === 0) {
      states.set(rule.name, { rule, hot: null, trouble: null });
      return;
    }
    lastAt = now;
    if (short.failed === 0) failingSince.delete(rule.name);
    else if (!failingSince.has(rule.name)) failingSince.set(rule.name, now);
    const hot = isHot(short, rule, budget);
    // The long window matters only while the short one burns.
    const long = hot ? await count(rule.longMs, now) : null;
    if (generation !== observedSince) return;
    const firstFailedAt = failingSince.get(rule.name) ?? null;
    const trouble =
      long === null ? null : judgeBurn('at the edge', rule, { long: { ...long, firstFailedAt }, short }, budget, now);
    states.set(rule.name, { rule, hot, trouble });
  }

  return {
    async look(now) {
      if (looking) return;
      looking = true;
      try {
        for (const rule of rules) {
          if (now < (due.get(rule.name) ?? 0)) continue;
          // A little early rather than a whole tick late.
          due.set(rule.name, now + Math.max(ASK_AT_MOST_EVERY_MS, rule.shortMs / ASKS_A_WINDOW) - 50);
          await judge(rule, now);
        }
      } finally {
        looking = false;
      }
    },
    states: () => [...states.values()],
    silence: (now) => judgeSilence('the analytics', { lastAt, observedSince, lastError }, silenceMs, now),
    forget(now) {
      observedSince = now;
      lastError = null;
      due.clear();
      states.clear();
      failingSince.clear();
    },
  };
}
