import type { ObjectStore } from '../providers/providers.ts';
import { createPace, mostPlaces, thisProcess, type Concurrency, type PaceClock } from './pace.ts';

/** Work that waits for a place beside the places, so that none stays empty until the next piece of work is found. */
const READY_SHARE = 0.25;
const READY_LEAST = 2;

/** How many requests may be on their way at once; how many that are it finds out as it goes, see `pace.ts`. */
export interface Throttle {
  /** Waits for a place, does the work, and gives the place back. `bytes` is what the work moves. */
  run<Answer>(work: () => Promise<Answer>, bytes?: number): Promise<Answer>;
  /** A store asked for patience; nothing new begins for so long. */
  slowDown(retryAfterMs: number | null): void;
  /** Places at present. */
  readonly places: number;
  /** Work that should be at hand at present: the places and a little more, but never more than the ceiling. */
  readonly wanted: number;
  /** The fewest places that the stores' refusals left. */
  readonly fewest: number;
  close(): void;
}

/** @param concurrency a ceiling, where the user named one */
export function createThrottle(
  concurrency: Concurrency,
  stores: readonly ObjectStore[],
  clock: PaceClock = thisProcess(),
): Throttle {
  const most = mostPlaces(concurrency);
  const pace = createPace(concurrency, clock);
  let running = 0;
  let pausedUntil = 0;
  let timer: NodeJS.Timeout | null = null;
  const waiting: (() => void)[] = [];

  function start(): void {
    const pause = pausedUntil - clock.now();
    if (pause > 0) {
      timer ??= setTimeout(() => {
        timer = null;
        start();
      }, pause);
      return;
    }
    while (running < pace.places) {
      const next = waiting.shift();
      if (next === undefined) return;
      running++;
      next();
    }
  }

  const throttle: Throttle = {
    async run(work, bytes = 0) {
      if (waiting.length === 0 && running < pace.places && clock.now() >= pausedUntil) running++;
      else {
        const turn = new Promise<void>((resolve) => waiting.push(resolve));
        start();
        await turn;
      }
      const begun = pace.begin();
      try {
        const answer = await work();
        pace.answered(begun, bytes, running, running >= pace.places);
        return answer;
      } finally {
        running--;
        start();
      }
    },
    slowDown(retryAfterMs) {
      if (retryAfterMs !== null) pausedUntil = Math.max(pausedUntil, clock.now() + retryAfterMs);
      pace.refused();
    },
    get places() {
      return pace.places;
    },
    get wanted() {
      const { places } = pace;
      return Math.min(most, places + Math.max(READY_LEAST, Math.ceil(places * READY_SHARE)));
    },
    get fewest() {
      return pace.fewest;
    },
    close() {
      for (const end of listeners) end();
      if (timer !== null) clearTimeout(timer);
    },
  };
  const listeners = stores.flatMap((store) => store.onThrottled?.(throttle.slowDown) ?? []);
  return throttle;
}
