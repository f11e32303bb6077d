import { listingOf, pagesOf, type Listing } from '../providers/listing.ts';
import type { ObjectHead } from '../providers/providers.ts';
import { compareKeys } from './key-range.ts';

/** A store whose listing is not in byte order, or tells a key twice: objects would be missed. */
export class UnorderedListing extends Error {
  override readonly name = 'UnorderedListing';
}

export interface KeyPair<From = ObjectHead, To = ObjectHead> {
  readonly key: string;
  readonly from: From | null;
  readonly to: To | null;
}

type Keyed = {
  readonly key: string;
  /** Set where `key` is only a name for it, which may stand anywhere: such an entry has no counterpart. */
  readonly unreadable?: string;
};

/**
 * Walks two listings side by side in key order and holds one page of each: memory stays flat however many keys
 * there are. Throws when a listing is not in order, since then keys would be missed.
 */
export function mergeListings<From extends Keyed, To extends Keyed>(
  from: Listing<From>,
  to: Listing<To>,
): Listing<KeyPair<From, To>> {
  return listingOf(() => mergedPages(from, to));
}

async function* mergedPages<From extends Keyed, To extends Keyed>(
  from: Listing<From>,
  to: Listing<To>,
): AsyncGenerator<KeyPair<From, To>[]> {
  const [left, right] = [openCursor(from), openCursor(to)];
  try {
    await Promise.all([left.refill(), right.refill()]);
    while (left.entry !== null || right.entry !== null) {
      const pairs: KeyPair<From, To>[] = [];
      // Until one of the pages is through: what comes on that side is not known then.
      while (!left.dry && !right.dry) {
        const [a, b] = [left.entry, right.entry];
        if (a === null && b === null) break;
        const order = orderOf(a, b);
        const key = order <= 0 && a !== null ? a.key : (b?.key ?? '');
        pairs.push({ key, from: order <= 0 ? a : null, to: order >= 0 ? b : null });
        if (order <= 0) left.advance();
        if (order >= 0) right.advance();
      }
      yield pairs;
      await Promise.all([left.refill(), right.refill()]);
    }
  } finally {
    await Promise.all([left.close(), right.close()]);
  }
}

/** Which comes first; 0 for the two that are of one key. */
function orderOf(a: Keyed | null, b: Keyed | null): number {
  if (a === null || b === null) return a === null ? 1 : -1;
  if (a.unreadable !== undefined) return -1;
  if (b.unreadable !== undefined) return 1;
  return compareKeys(a.key, b.key);
}

interface Cursor<Entry> {
  /** `null` when the page is through, and at the end. */
  readonly entry: Entry | null;
  /** Whether the page is through and another may come. */
  readonly dry: boolean;
  advance(): void;
  /** Fetches the next page if this one is through. */
  refill(): Promise<void>;
  close(): Promise<void>;
}

function openCursor<Entry extends Keyed>(listing: Listing<Entry>): Cursor<Entry> {
  const pages = pagesOf(listing)[Symbol.asyncIterator]();
  let page: readonly Entry[] = [];
  let at = 0;
  let ended = false;
  let last: string | null = null;

  function check(): void {
    const entry = page[at];
    if (entry === undefined || entry.unreadable !== undefined) return;
    if (last !== null && compareKeys(last, entry.key) >= 0) {
      const keys = `${JSON.stringify(entry.key)} after ${JSON.stringify(last)}`;
      throw new UnorderedListing(`the listing repeats or is out of order: ${keys}`);
    }
    last = entry.key;
  }

  return {
    get entry() {
      return page[at] ?? null;
    },
    get dry() {
      return !ended && at >= page.length;
    },
    advance() {
      at++;
      check();
    },
    async refill() {
      while (!ended && at >= page.length) {
        const next = await pages.next();
        if (next.done === true) [ended, page] = [true, []];
        else page = next.value;
        at = 0;
        check();
      }
    },
    async close() {
      await pages.return?.();
    },
  };
}
