import type { ObjectStore } from '../providers/providers.ts';

/** Answers that throttle come in flocks from what was under way; so close together they count as one. */
const FLOCK_MS = 500;
/** If all began at once, all would be read at once, and the target would have nothing to do until all are. */
const FIRST_PLACES = 2;

/**
 * How many requests may be on their way at once. As TCP does it: few at the start and one more for each good answer,
 * halved as soon as a store asks for patience, from then on one more for each round of answers that were all good.
 */
export interface Throttle {
  /** Waits for a place, does the work, and gives the place back. */
  run<Answer>(work: () => Promise<Answer>): Promise<Answer>;
  /** A store asked for patience; nothing new begins for so long. */
  slowDown(retryAfterMs: number | null): void;
  /** Places at present. */
  readonly places: number;
  /** The fewest there were. */
  readonly fewest: number;
  close(): void;
}

export function createThrottle(most: number, stores: readonly ObjectStore[]): Throttle {
  let places = Math.min(FIRST_PLACES, most);
  let isStarting = places < most;
  let fewest = most;
  let running = 0;
  let slowed = -Infinity;
  let pausedUntil = 0;
  let timer: NodeJS.Timeout | null = null;
  const waiting: (() => void)[] = [];

  function start(): void {
    const pause = pausedUntil - performance.now();
    if (pause > 0) {
      timer ??= setTimeout(() => {
        timer = null;
        start();
      }, pause);
      return;
    }
    while (running < Math.floor(places)) {
      const next = waiting.shift();
      if (next === undefined) return;
      running++;
      next();
    }
  }

  const throttle: Throttle = {
    async run(work) {
      if (waiting.length === 0 && running < Math.floor(places) && performance.now() >= pausedUntil) running++;
      else {
        const turn = new Promise<void>((resolve) => waiting.push(resolve));
        start();
        await turn;
      }
      try {
        const answer = await work();
        places = Math.min(most, places + (isStarting ? 1 : 1 / places));
        if (places === most) isStarting = false;
        return answer;
      } finally {
        running--;
        start();
      }
    },
    slowDown(retryAfterMs) {
      const now = performance.now();
      if (retryAfterMs !== null) pausedUntil = Math.max(pausedUntil, now + retryAfterMs);
      if (now - slowed < FLOCK_MS) return;
      slowed = now;
      isStarting = false;
      places = Math.max(1, places / 2);
      fewest = Math.min(fewest, Math.floor(places));
    },
    get places() {
      return Math.floor(places);
    },
    get fewest() {
      return fewest;
    },
    close() {
      for (const end of listeners) end();
      if (timer !== null) clearTimeout(timer);
    },
  };
  const listeners = stores.flatMap((store) => store.onThrottled?.(throttle.slowDown) ?? []);
  return throttle;
}
