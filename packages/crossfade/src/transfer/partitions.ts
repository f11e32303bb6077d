import type { ObjectStore } from '../providers/providers.ts';
import { compareKeys, listRange, type KeyRange } from './key-range.ts';
import { behindBeginning, keyBetween, timesBetween } from './key-space.ts';

export interface CutOptions {
  /** Ranges wanted; there may be fewer. */
  readonly partitions: number;
  /** Keys that a range should hold at least, where that can be told; 1 when absent. */
  readonly least?: number;
  /** What is cut; the whole store when absent. */
  readonly range?: KeyRange;
  /** Keys that one look reads: a page of the listing, which costs no more than its first key. */
  readonly sample?: number;
  readonly signal?: AbortSignal;
}

const PAGE = 1000;
/** A range of no more pages than these is listed, and cut evenly. */
const LISTED_PAGES = 5;
/** Looks at once. */
const AT_ONCE = 8;
/** A stretch in which so many guesses found nothing is left as it is. */
const MOST_GUESSES = 60;
/** Looks for each partition, and some more to find where the keys lie at all. */
const LOOKS_EACH = 8;
const LOOKS_MORE = 200;

/** A range that is being cut, and what is known of it. */
interface Stretch {
  readonly range: KeyRange;
  /** Between these the next guess is made: behind the keys that were seen, and before where there is nothing more. */
  readonly low: string;
  readonly high: string | null;
  /** The first and last key of the page at its beginning. */
  readonly page: readonly [string, string];
  /** How often it was cut off from a larger one, and how many guesses in it found nothing. */
  readonly depth: number;
  readonly guesses: number;
  /** Whether all of its keys were seen, or there is no key left to guess. */
  readonly settled: boolean;
}

interface Look {
  readonly store: ObjectStore;
  readonly sample: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Cuts a store's keys into ranges of about the same number, without listing them: it looks behind guessed keys, and
 * each look says where the next keys are and how dense they lie there. The ranges cover every key exactly once
 * whatever the keys are, also those that are written later; how even they are is a guess, which `splitPoint` makes
 * good. Throws as the store's listing does, and the signal's reason.
 */
export async function cutKeySpace(store: ObjectStore, options: CutOptions): Promise<KeyRange[]> {
  const { partitions, least = 1, range = {}, sample = PAGE, signal } = options;
  const how = { store, sample, signal };
  const first = await look(how, range, sample * LISTED_PAGES);
  const [begin, last] = [first.keys[0], first.keys.at(-1)];
  if (first.ended || begin === undefined || last === undefined)
    return toRanges(range, evenly(first.keys, Math.min(partitions, Math.ceil(first.keys.length / least))));
  const high = await findEnd(how, last, range);
  let stretches: Stretch[] = [{ range, low: last, high, page: [begin, last], depth: 0, guesses: 0, settled: false }];
  for (let looks = partitions * LOOKS_EACH + LOOKS_MORE; stretches.length < partitions && looks > 0;) {
    const chosen = choose(stretches, Math.min(AT_ONCE, partitions - stretches.length));
    if (chosen.length === 0) break;
    looks -= chosen.length;
    const cut = new Map(
      await Promise.all(chosen.map(async (one): Promise<[Stretch, Stretch[]]> => [one, await cutOnce(how, one)])),
    );
    stretches = stretches.flatMap((one) => cut.get(one) ?? [one]);
  }
  return stretches.map((one) => one.range);
}

/**
 * The key after which a range is more than `most` keys or bytes; `null` when it is not. Lists that much of it, and
 * holds one key.
 */
export async function splitPoint(
  store: ObjectStore,
  range: KeyRange,
  most: { readonly objects: number; readonly bytes: number },
  signal: AbortSignal,
): Promise<string | null> {
  let [objects, bytes] = [0, 0];
  let last: string | null = null;
  for await (const { key, size } of listRange(store, range)) {
    signal.throwIfAborted();
    // One object alone cannot be split, however large.
    if (last !== null && (objects === most.objects || bytes + size > most.bytes)) return last;
    objects++;
    bytes += size;
    last = key;
  }
  return null;
}

export function rangeOf(after: string | undefined, until: string | undefined): KeyRange {
  return { ...(after === undefined ? {} : { after }), ...(until === undefined ? {} : { until }) };
}

function toRanges({ after, until }: KeyRange, splits: readonly string[]): KeyRange[] {
  return [...splits, until].map((end, index) => rangeOf(index === 0 ? after : splits[index - 1], end));
}

function evenly(keys: readonly string[], partitions: number): string[] {
  const count = Math.max(1, partitions);
  const splits = Array.from({ length: count - 1 }, (_, index) =>
    keys.at(Math.floor(((index + 1) * keys.length) / count) - 1),
  );
  return splits.filter((key) => key !== undefined);
}

/** The first keys of a range, at most `count`; `ended` when there are no more. */
async function look(
  { store, signal }: Look,
  range: KeyRange,
  count: number,
): Promise<{ keys: string[]; ended: boolean }> {
  signal?.throwIfAborted();
  const keys: string[] = [];
  for await (const { key } of listRange(store, range)) {
    signal?.throwIfAborted();
    keys.push(key);
    if (keys.length === count) return { keys, ended: false };
  }
  return { keys, ended: true };
}

/** The last key of a range, or what lies not far behind it: without it, a half of the keys' space means nothing. */
async function findEnd(how: Look, from: string, range: KeyRange): Promise<string | null> {
  let [low, high]: [string, string | null] = [from, range.until ?? null];
  for (let guesses = 0; guesses < MOST_GUESSES; guesses += 2) {
    // Both kinds at once, since neither waits for what the other finds: half as many answers in a row.
    const guessed = [guessBetween(low, high, 0), guessBetween(low, high, 1)].filter((guess) => guess !== null);
    if (guessed.length === 0) break;
    const looks = guessed.map(async (guess) => {
      const { keys, ended } = await look(how, rangeOf(guess, range.until), how.sample);
      return { guess, last: keys.at(-1), ended };
    });
    for (const { guess, last, ended } of await Promise.all(looks)) {
      if (last === undefined) high = high === null || compareKeys(guess, high) < 0 ? guess : high;
      else if (ended) return last;
      else if (compareKeys(last, low) > 0) low = last;
    }
  }
  return high;
}

/** Halfway, and behind the folder in which the seen keys end, in turn. */
function guessBetween(low: string, high: string | null, guesses: number): string | null {
  return (guesses % 2 === 1 ? behindBeginning(low, high) : null) ?? keyBetween(low, high);
}

/**
 * Half of them those that seem to hold the most, the others those that were cut least: keys of another depth lie so
 * much denser by their digits that the guess alone would cut one folder to pieces and leave the rest.
 */
function choose(stretches: readonly Stretch[], count: number): Stretch[] {
  const open = stretches.filter((one) => !one.settled);
  const size = new Map(open.map((one) => [one, timesBetween(one.page, [one.page[0], one.high])]));
  const bySize = open.toSorted((a, b) => (size.get(b) ?? 0) - (size.get(a) ?? 0));
  const byDepth = open.toSorted((a, b) => a.depth - b.depth);
  return [...new Set([...byDepth.slice(0, Math.ceil(count / 2)), ...bySize])].slice(0, count);
}

/** Looks behind one guess: two stretches instead of one, or one of which less is unknown. */
async function cutOnce(how: Look, one: Stretch): Promise<Stretch[]> {
  const { after, until } = one.range;
  const guess = one.guesses < MOST_GUESSES ? guessBetween(one.low, one.high, one.guesses) : null;
  if (guess === null) return [{ ...one, settled: true }];
  const { keys, ended } = await look(how, rangeOf(guess, until), how.sample + 1);
  const [split, ...rest] = keys;
  if (split === undefined || split === until) return [{ ...one, high: guess, guesses: one.guesses + 1 }];
  const depth = one.depth + 1;
  const [begin, last] = [rest[0] ?? split, rest.at(-1) ?? split];
  return [
    { ...one, range: rangeOf(after, split), high: guess, depth, guesses: 0 },
    { ...one, range: rangeOf(split, until), low: last, page: [begin, last], depth, guesses: 0, settled: ended },
  ];
}
