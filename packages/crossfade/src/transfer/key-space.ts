import { compareKeys } from './key-range.ts';

// Keys in byte order, as S3 lists them. The order of UTF-8's bytes is that of the code points, so a key is looked at
// as a row of code points, and what is guessed between two keys is always valid text.

/** Beyond the last code point, where the surrogates are left out. */
const DIGITS = 0x110000 - 0x800;
const FIRST_SURROGATE = 0xd800;
const SURROGATES = 0x800;
/** Beyond ASCII: most keys know nothing else, so that is asked first. */
const ASCII = 0x80;
/** So many digits are looked at to tell a distance: the smallest number that a double can hold knows no more. */
const MOST = 40;

function toDigits(key: string): number[] {
  return Array.from(key, (character) => {
    const point = character.codePointAt(0) ?? 0;
    return point >= FIRST_SURROGATE + SURROGATES ? point - SURROGATES : point;
  });
}

function toKey(digits: readonly number[]): string {
  return digits.map((digit) => String.fromCodePoint(digit >= FIRST_SURROGATE ? digit + SURROGATES : digit)).join('');
}

/** A key about halfway between two others; `high` is `null` where there is no end. `null` when none fits between. */
export function keyBetween(low: string, high: string | null): string | null {
  const from = toDigits(low);
  const to = high === null ? null : toDigits(high);
  const guess: number[] = [];
  // As long as `to` has been followed digit by digit, it bounds what comes next.
  let bounded = true;
  for (let at = 0; ; at++) {
    // An end of the key lies before every digit.
    const least = from[at] ?? -1;
    const most = bounded && to !== null ? (to[at] ?? -1) : least < ASCII - 2 ? ASCII : DIGITS;
    if (most - least > 1) {
      guess.push(halfway(least, most));
      return toKey(guess);
    }
    if (bounded && to !== null && most === least) {
      // Both have ended: there is nothing between.
      if (least === -1) return null;
      guess.push(least);
      continue;
    }
    // Neighbours, or no room below: go on behind `low`, where `high` is no bound any more.
    bounded = false;
    if (least === -1) return keyBelow(guess, to, at);
    guess.push(least);
  }
}

function halfway(least: number, most: number): number {
  // Behind ASCII's end there is so much room that half of it says nothing about the keys there are.
  if (least < ASCII - 2 && most > ASCII) return ASCII - 1;
  return least + Math.ceil((most - least) / 2);
}

/** `low` is a beginning of `high`, which goes on with the very first digit: between them lies what has fewer of it. */
function keyBelow(guess: readonly number[], to: readonly number[] | null, at: number): string | null {
  if (to === null || to.length <= at + 1) return null;
  return toKey([...guess, ...to.slice(at, -1)]);
}

/**
 * Behind all keys that begin as `low` does, for half of the characters in which it differs from `high`: what finds the
 * end of a long common beginning, a folder's say, in few looks. `null` when no such key lies before `high`.
 */
export function behindBeginning(low: string, high: string | null): string | null {
  const from = toDigits(low);
  const to = high === null ? [] : toDigits(high);
  let common = 0;
  while (common < from.length && from[common] === to[common]) common++;
  const kept = common + Math.ceil((from.length - common) / 2);
  const guess = toKey([...from.slice(0, kept), DIGITS - 1]);
  return kept === common || compareKeys(guess, low) <= 0 ? null : guess;
}

/**
 * How many times the distance between two keys goes into that between two others, as far as their digits tell: what
 * turns a page of a listing into a guess of how many keys there are. Infinity when the first two are alike.
 */
export function timesBetween(page: readonly [string, string], whole: readonly [string, string | null]): number {
  const [first, last, low, high] = [page[0], page[1], whole[0], whole[1] ?? ''].map(toDigits);
  if (first === undefined || last === undefined || low === undefined || high === undefined) return 1;
  const base = 2 + Math.max(ASCII, ...[first, last, low, high].map((digits) => Math.max(0, ...digits.slice(0, MOST))));
  // Digit by digit, since the difference of two sums would drown in their rounding.
  const distance = (from: readonly number[], to: readonly number[]): number => {
    let sum = 0;
    for (let at = 0; at < MOST; at++) sum += ((to[at] ?? -1) - (from[at] ?? -1)) * base ** -(at + 1);
    return sum;
  };
  return distance(low, whole[1] === null ? [ASCII] : high) / Math.max(0, distance(first, last));
}
