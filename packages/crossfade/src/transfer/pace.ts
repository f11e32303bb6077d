// How many requests may be on their way at once, found out instead of told. No latency says that by itself: some
// servers are far away, some answer now after 5 ms and now after 300. What says it is what more places bring. By
// Little's law the throughput is places / latency, so where twice as many places leave the latency as it was, twice as
// much goes through, and where the latency doubles too, nothing is gained but a longer queue.
//
// So it is tried. A round is so many answers to requests that were begun in it; its latency is held against that of the
// places before. More places are kept when they bring at least half of what they could, fewer when they lose nothing.
// What fails is given up and tried again later, each time after twice as many rounds: the world changes.

/** What a user may say: a ceiling, or nothing. */
export type Concurrency = number | 'auto';

/** Requests at once that nobody asked for expressly. Beyond it a copy is bound by this process or by what it disturbs. */
const AUTO_MOST = 256;
const FIRST = 16;
/** Trials with fewer places end here; below it a copy's own pauses are all that is measured. */
const FEWEST_TRIED = 4;
/** A round: answers and ms; fewer of either say little about the mean. */
const [LEAST_ANSWERS, LEAST_MS] = [8, 50];
/** One answer for each place is a round, and so many are enough for any. */
const ENOUGH_ANSWERS = 64;
/** Steps are large until one fails, small from then on. */
const [UP_FACTORS, DOWN_FACTORS] = [
  { large: 2, small: 1.5 },
  { large: 0.5, small: 0.75 },
];
/** More places have to bring this power of what they could: twice as many at least 1.32 times as much. */
const LEAST_GAIN = 0.4;
/** Fewer places may lose so much of the throughput. */
const MOST_LOSS = 0.03;
/** Fewer places cannot raise the throughput by more than this of themselves: then something else has changed. */
const DOUBTFUL_GAIN = 1.25;
/** Rounds until a trial that failed again and again is made anew. */
const LONGEST_PAUSE = 64;
/** A latency that changed by this factor without a trial: the world is another one, so trials begin anew. */
const ANOTHER_WORLD = 1.5;
/** When this process is at work for more than this share of a round, it is what others wait for. */
const MOST_BUSY = 0.9;
/** Of a round's answers so many have to come while all places are taken, else it is not the places that bind. */
const LEAST_FULL = 0.5;
/** How much one object weighs beside its bytes: at 50 MiB/s a MiB takes as long as a round trip to a near region. */
const WEIGHT_BYTES = 1024 * 1024;
/** Refusals come in flocks from what was under way; so close together (ms) they count as one. */
const FLOCK_MS = 500;

export interface PaceClock {
  /** ms. */
  readonly now: () => number;
  /** Share of the time since the last call in which this process was at work, 0 to 1. */
  readonly busy: () => number;
}

/** A request that is under way. */
export interface Begun {
  /** `null` for the first in a new place: it opens a connection, which is no measure of the requests after it. */
  readonly round: number | null;
  readonly at: number;
}

export interface Pace {
  /** Places at present. */
  readonly places: number;
  /** The fewest that refusals have left, `most` without any. */
  readonly fewest: number;
  begin(): Begun;
  /** A good answer, with the bytes that it moved; `running` are those under way with it, and `full` says whether all places are taken. */
  answered(begun: Begun, bytes: number, running: number, full: boolean): void;
  /** A store asked for patience. */
  refused(): void;
}

type Trial = 'none' | 'up' | 'down';

/** When a kind of trial is made again. */
interface Schedule {
  pause: number;
  due: number;
  factor: number;
}

/** @param concurrency a ceiling, where the user named one */
export function createPace(concurrency: Concurrency, { now, busy }: PaceClock = thisProcess()): Pace {
  const most = mostPlaces(concurrency);
  let places = Math.min(FIRST, most);
  let fewest = most;
  let refusedAt = -Infinity;
  let trial: Trial = 'none';
  /** What is held on to while something else is tried; `latency` in ms for each unit of work, `null` before it is known. */
  let kept: { places: number; latency: number | null } = { places, latency: null };
  const up: Schedule = { pause: 1, due: 0, factor: UP_FACTORS.large };
  const down: Schedule = { pause: 8, due: 8, factor: DOWN_FACTORS.small };
  /** What failed at first sight may have been a hiccup of the world's, so it is looked at once more. */
  let seenOnce = false;
  let isDoubted = false;
  let round = newRound(0);

  function newRound(id: number, opening = 0) {
    return { id, since: now(), answers: 0, tookMs: 0, work: 0, full: 0, running: 0, opening };
  }

  function go(next: 'up' | 'down'): void {
    const least = Math.min(FEWEST_TRIED, kept.places);
    const to = Math.round(places * (next === 'up' ? up : down).factor);
    places = Math.max(least, Math.min(most, next === 'up' ? Math.max(to, places + 1) : to));
    trial = places === kept.places ? 'none' : next;
  }

  function keep(latency: number): void {
    kept = { places, latency };
    trial = 'none';
    seenOnce = false;
  }

  function giveUp(schedule: Schedule, factor: number): void {
    schedule.due = schedule.pause;
    schedule.pause = Math.min(LONGEST_PAUSE, schedule.pause * 2);
    schedule.factor = factor;
    places = kept.places;
    trial = 'none';
    seenOnce = false;
  }

  /** Between two trials: what is kept ages with the world. */
  function look(latency: number): void {
    if (kept.latency !== null && latency > kept.latency * ANOTHER_WORLD)
      Object.assign(down, { pause: 1, due: 0, factor: DOWN_FACTORS.large });
    else if (kept.latency !== null && latency < kept.latency / ANOTHER_WORLD)
      Object.assign(up, { pause: 1, due: 0, factor: UP_FACTORS.large });
    kept = { places, latency };
    up.due--;
    down.due--;
  }

  function endRound(): void {
    const { answers, tookMs, work, full, running } = round;
    const latency = tookMs / work;
    const isFull = full >= answers * LEAST_FULL;
    const isBusy = busy() > MOST_BUSY;
    if (!isFull) {
      // More than were ever taken are no places but a promise, and this is when nobody could tell what they would do.
      places = Math.max(Math.min(FEWEST_TRIED, most), Math.min(places, running));
      keep(latency);
      return;
    }
    if (trial === 'up' && kept.latency !== null) {
      // The first that fails may have been a hiccup, so the next step is as large again.
      const next = up.pause > 1 ? UP_FACTORS.small : up.factor;
      const isGain = latency <= kept.latency * (places / kept.places) ** (1 - LEAST_GAIN);
      if (!isGain && seenOnce) return giveUp(up, next);
      if (!isGain) return void (seenOnce = true);
      keep(latency);
      Object.assign(up, { pause: 1, due: 0 });
    } else if (trial === 'down' && kept.latency !== null) {
      const same = (kept.latency * places) / kept.places;
      if (latency > same * (1 + MOST_LOSS)) {
        isDoubted = false;
        return giveUp(down, DOWN_FACTORS.small);
      }
      if (latency < same / DOUBTFUL_GAIN && !isDoubted) {
        // Back, to see what the same places do by now; then down once more.
        isDoubted = true;
        ({ places } = kept);
        trial = 'none';
        down.due = 1;
        up.due = Math.max(up.due, 2);
        return;
      }
      isDoubted = false;
      // The throughput of more places stays the measure, so that many small losses do not add up.
      keep(Math.min(latency, same));
      Object.assign(down, { pause: 1, due: 0, factor: DOWN_FACTORS.large });
      return go('down');
    } else look(latency);
    if (up.due <= 0 && places < most && !isBusy) go('up');
    else if (down.due <= 0) go('down');
  }

  return {
    begin: () => ({ round: round.opening-- > 0 ? null : round.id, at: now() }),
    answered(begun, bytes, running, full) {
      // What was begun with other places tells of those.
      if (begun.round !== round.id) return;
      round.answers++;
      round.tookMs += now() - begun.at;
      round.work += 1 + bytes / WEIGHT_BYTES;
      round.running = Math.max(round.running, running);
      if (full) round.full++;
      const enough = Math.max(LEAST_ANSWERS, Math.min(places, ENOUGH_ANSWERS));
      if (round.answers < enough || now() - round.since < LEAST_MS) return;
      const before = places;
      endRound();
      round = newRound(round.id + 1, Math.max(0, places - before));
    },
    refused() {
      if (now() - refusedAt < FLOCK_MS) return;
      refusedAt = now();
      places = Math.max(1, Math.floor(places / 2));
      kept = { places, latency: null };
      trial = 'none';
      Object.assign(up, { pause: 2, due: 2, factor: UP_FACTORS.small });
      fewest = Math.min(fewest, places);
      round = newRound(round.id + 1);
    },
    get places() {
      return places;
    },
    get fewest() {
      return fewest;
    },
  };
}

export const mostPlaces = (concurrency: Concurrency): number => (concurrency === 'auto' ? AUTO_MOST : concurrency);

export function thisProcess(): PaceClock {
  let seen = performance.eventLoopUtilization();
  return {
    now: () => performance.now(),
    busy() {
      const { utilization } = performance.eventLoopUtilization(seen);
      seen = performance.eventLoopUtilization();
      return utilization;
    },
  };
}
