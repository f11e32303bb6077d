import { startObservedClock } from '../rollout/observed-clock.ts';

const LONGEST_TICK_MS = 1000;
const TICKS = 50;

export interface ObservedDeadline {
  /** Resolves when the process has seen so much time pass; never after `stop`. */
  readonly over: Promise<void>;
  stop(): void;
}

/** A deadline in time that was observed: a process that was asleep for an hour has not seen the work take an hour. */
export function startObservedDeadline(ms: number): ObservedDeadline {
  const tickMs = Math.max(1, Math.min(LONGEST_TICK_MS, ms / TICKS));
  const clock = startObservedClock(tickMs);
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setInterval(() => {
    if (clock.elapsedMs() < ms) return;
    stop();
    resolve();
  }, tickMs);
  const stop = (): void => {
    clearInterval(timer);
    clock.stop();
  };
  return { over: promise, stop };
}
