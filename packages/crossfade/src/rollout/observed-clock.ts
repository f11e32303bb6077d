export interface ObservedClock {
  /** Milliseconds that this process was awake since the clock began. */
  elapsedMs(): number;
  stop(): void;
}

/**
 * Counts the time that this process saw pass. A tick counts at most its own interval, so an hour asleep (a laptop's lid,
 * a stopped process, a clock that was set) counts as one tick: nothing was missed that could have been observed.
 */
export function startObservedClock(tickMs: number): ObservedClock {
  let counted = 0;
  let last = performance.now();
  const sinceLast = (): number => Math.min(tickMs, Math.max(0, performance.now() - last));
  const timer = setInterval(() => {
    counted += sinceLast();
    last = performance.now();
  }, tickMs);
  // It measures others' work; alone it keeps no process alive.
  timer.unref();
  return { elapsedMs: () => counted + sinceLast(), stop: () => clearInterval(timer) };
}
