// How often a store may be asked. Who asks one that allows so many requests a second by places alone asks it too often
// or too seldom, since a place that is refused is free again at once. So the first refusal gives it a rate, a little
// below what it has just borne, and that grows back as TCP's CUBIC (RFC 9438) does: quickly to where it was, slowly
// around there, and quickly again when nothing comes of it. AWS's own clients do so in their mode `adaptive`.

/** The rate after a refusal, of the one before it. */
const CUT = 0.8;
/** A store that refuses everything for a while has borne nothing; it is asked so often all the same, a second. */
const LEAST = 10;
/** How fast it grows, requests a second for each s³; as AWS's clients have it. */
const GROWTH = 0.4;
/** Refusals come in flocks from what was under way; so close together (ms) they count as one. */
const FLOCK_MS = 500;
/** What it has just borne: the most in a second out of so many slots of so many ms. */
const [SLOT_MS, SLOTS_A_SECOND, SLOTS] = [250, 4, 12];
/** What went by in less than this, ms, tells no rate. */
const SHORTEST_MS = 50;
/** Requests may come as close together as this, ms, when they were due before: timers are no finer. */
const BEHIND_MS = 20;
/** Longer pauses, ms, are for the caller to decide on (`retry.ts`): other requests find out by themselves. */
const LONGEST_PAUSE_MS = 60_000;

export interface RequestRate {
  /** Resolves when one more request may go out. Who asked first goes first. */
  turn(): Promise<void>;
  answered(): void;
  /** The store asked for patience, and for how long, ms, when it said so: nothing goes out until then. */
  refused(retryAfterMs: number | null): void;
  /** Requests a second at present; `Infinity` as long as nothing binds them. */
  readonly perSecond: number;
}

export interface RateClock {
  /** ms. */
  readonly now: () => number;
  readonly after: (ms: number, happens: () => void) => void;
}

const REAL: RateClock = { now: () => performance.now(), after: (ms, happens) => void setTimeout(happens, ms) };

/** @param most a user's own limit, requests a second, asked for each time since it may change; `null` for none */
export function createRequestRate(most: () => number | null = () => null, clock: RateClock = REAL): RequestRate {
  const { now, after } = clock;
  let cut: { readonly at: number; readonly from: number } | null = null;
  let pausedUntil = -Infinity;
  /** When the next request is due. */
  let due = -Infinity;
  let isTimed = false;
  const waiting: (() => void)[] = [];
  const slots = new Map<number, number>();
  let firstAt: number | null = null;

  const slotNow = (): number => Math.floor(now() / SLOT_MS);

  /** Good answers in the best second of the last three. */
  function borne(): number {
    const last = slotNow();
    let best = 0;
    for (let end = last; end > last - SLOTS + SLOTS_A_SECOND; end--) {
      let sum = 0;
      for (let slot = end; slot > end - SLOTS_A_SECOND; slot--) sum += slots.get(slot) ?? 0;
      best = Math.max(best, sum);
    }
    // In its first second it has had no time to bear more; the next refusals mend what this takes for too much.
    const sinceMs = Math.max(SHORTEST_MS, now() - (firstAt ?? now()));
    return sinceMs < 1000 ? (best * 1000) / sinceMs : best;
  }

  function rate(): number {
    const bound = most() ?? Infinity;
    if (cut === null) return bound;
    // CUBIC: at `from` again after `back` seconds, where the curve is flat.
    const back = Math.cbrt((cut.from * (1 - CUT)) / GROWTH);
    const seconds = (now() - cut.at) / 1000;
    return Math.min(bound, Math.max(LEAST * CUT, GROWTH * (seconds - back) ** 3 + cut.from));
  }

  function letGo(): void {
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      const waitMs = Math.max(due, pausedUntil) - now();
      if (waitMs > 0) {
        if (isTimed) return;
        isTimed = true;
        // A change of the limit is heard within a second.
        after(Math.min(waitMs, 1000), () => {
          isTimed = false;
          letGo();
        });
        return;
      }
      waiting.shift();
      count();
      next();
    }
  }

  function count(): void {
    firstAt ??= now();
    const perSecond = rate();
    due = perSecond === Infinity ? -Infinity : Math.max(due, now() - BEHIND_MS) + 1000 / perSecond;
  }

  return {
    turn() {
      if (waiting.length === 0 && Math.max(due, pausedUntil) <= now()) {
        count();
        return Promise.resolve();
      }
      const turn = new Promise<void>((resolve) => waiting.push(resolve));
      letGo();
      return turn;
    },
    answered() {
      const slot = slotNow();
      const before = slots.get(slot);
      if (before === undefined) for (const old of slots.keys()) if (old <= slot - SLOTS) slots.delete(old);
      slots.set(slot, (before ?? 0) + 1);
    },
    refused(retryAfterMs) {
      const at = now();
      if (retryAfterMs !== null) pausedUntil = Math.max(pausedUntil, at + Math.min(retryAfterMs, LONGEST_PAUSE_MS));
      if (cut !== null && at - cut.at < FLOCK_MS) return;
      const from = Math.max(LEAST, Math.min(rate(), borne()));
      cut = { at: Math.max(at, pausedUntil), from };
    },
    get perSecond() {
      return rate();
    },
  };
}
