const LOOK_EVERY_MS = 5;

export interface Timetable {
  stop(): void;
}

/**
 * Calls `arrive` so often a second with when that should have been, by `performance.now()`. The timetable is absolute:
 * an arrival that comes late (a busy machine) is made at once, and its latency counts from its intended time.
 */
export function startTimetable(ratePerSecond: number, arrive: (intended: number) => void): Timetable {
  const begun = performance.now();
  let arrived = 0;
  const due = (): number => begun + (arrived * 1000) / ratePerSecond;
  const timer = setInterval(() => {
    for (; due() <= performance.now(); arrived++) arrive(due());
  }, LOOK_EVERY_MS);
  return { stop: () => clearInterval(timer) };
}
