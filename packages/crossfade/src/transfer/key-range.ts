import { listingOf, pagesOf, type Listing } from '../providers/listing.ts';
import type { ObjectHead, ObjectStore } from '../providers/providers.ts';

/** A stretch of the keys in byte order: past `after`, up to and with `until`. */
export interface KeyRange {
  readonly after?: string;
  readonly until?: string;
}

/**
 * Byte order of the keys' UTF-8, as S3 lists. Code units are in the same order, but for surrogates: those come after
 * every other character in UTF-8 and before some in UTF-16.
 */
export function compareKeys(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length);
  for (let at = 0; at < shorter; at++) {
    const [left, right] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (left !== right) return aboveSurrogates(left) - aboveSurrogates(right);
  }
  return a.length - b.length;
}

function aboveSurrogates(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/** What a store lists within the range; the listing is not read past its end. */
export function listRange(store: ObjectStore, { after = '', until }: KeyRange = {}): Listing<ObjectHead> {
  const listing = store.list('', after);
  return until === undefined ? listing : listingOf(() => pagesUntil(listing, until));
}

async function* pagesUntil(listing: Listing<ObjectHead>, until: string): AsyncGenerator<readonly ObjectHead[]> {
  for await (const page of pagesOf(listing)) {
    const beyond = page.findIndex(({ key, unreadable }) => unreadable === undefined && compareKeys(key, until) > 0);
    if (beyond < 0) yield page;
    else return void (yield page.slice(0, beyond));
  }
}
