import type { ObjectHead } from '../providers/providers.ts';
import { compareKeys } from './key-range.ts';

export interface KeyPair<From = ObjectHead, To = ObjectHead> {
  readonly key: string;
  readonly from: From | null;
  readonly to: To | null;
}

type Keyed = { readonly key: string };

/**
 * Walks two listings side by side in key order and holds one entry of each: memory stays flat however many keys
 * there are. Throws when a listing is not in order, since then keys would be missed.
 */
export async function* mergeListings<From extends Keyed, To extends Keyed>(
  from: AsyncIterable<From>,
  to: AsyncIterable<To>,
): AsyncGenerator<KeyPair<From, To>> {
  const left = ordered(from);
  const right = ordered(to);
  let [a, b] = await Promise.all([left.next(), right.next()]);
  while (a.done !== true || b.done !== true) {
    const order = a.done === true ? 1 : b.done === true ? -1 : compareKeys(a.value.key, b.value.key);
    if (order === 0 && a.done !== true && b.done !== true) {
      yield { key: a.value.key, from: a.value, to: b.value };
      [a, b] = await Promise.all([left.next(), right.next()]);
    } else if (order < 0 && a.done !== true) {
      yield { key: a.value.key, from: a.value, to: null };
      a = await left.next();
    } else if (b.done !== true) {
      yield { key: b.value.key, from: null, to: b.value };
      b = await right.next();
    }
  }
}

async function* ordered<Entry extends Keyed>(listing: AsyncIterable<Entry>): AsyncGenerator<Entry, undefined> {
  let last: string | null = null;
  for await (const entry of listing) {
    if (last !== null && compareKeys(last, entry.key) >= 0) {
      const keys = `${JSON.stringify(entry.key)} after ${JSON.stringify(last)}`;
      throw new Error(`the listing repeats or is out of order: ${keys}`);
    }
    last = entry.key;
    yield entry;
  }
}
