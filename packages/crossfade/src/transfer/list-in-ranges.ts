import type { EventLoopUtilization } from 'node:perf_hooks';
import { listingOf, pagesOf, type Listing } from '../providers/listing.ts';
import type { ObjectHead, ObjectStore } from '../providers/providers.ts';
import { compareKeys, listRange, type KeyRange } from './key-range.ts';
import type { Concurrency } from './pace.ts';
import { mergeListings, type KeyPair } from './merge-listings.ts';
import { cutKeySpace } from './partitions.ts';

// One listing of a bucket answers a page after the other: ten million keys are ten thousand answers in a row. So a
// listing that goes on for long, and waits for each page, is cut, and its ranges are walked at once. At any time
// - `walks` are the ranges that are being listed, at most `atOnce`, in no common order; together they hold every key
//   that is still to come, and none twice;
// - each has asked for one page, which waits until it is taken: memory stays flat however slow the taker is;
// - at most one of them is being cut, beside its walk, which does not wait for that. What it has listed until then is
//   left out of the cut. A range that ends makes room, and the next that has gone on for long is cut into it.

/** Pages after which a listing is cut: to find where the keys lie takes some dozen looks, of a page each. */
const PAGES_BEFORE_CUT = 20;
/**
 * A store whose pages come faster than this, ms, keeps one listing: a million keys take less than two minutes, and
 * several listings at once hold several times as many pages. A store across a network takes some 50 to 400 for a page.
 */
const SLOW_PAGE_MS = 100;
/** What has been waited for its pages for so long, ms, is many millions of keys: then it is cut from this on, ms. */
const LONG_MS = 60_000;
const SLOW_PAGE_OF_MANY_MS = 40;
/**
 * Nor is one cut while this process is at work for more than this share of the time: then it is what keeps the pages
 * waiting, on a slow or crowded machine, and several listings would only hold more of them.
 */
const MOST_BUSY = 0.5;
/** A page of S3's. A range of fewer keys is not worth the call. */
const PAGE = 1000;
/** Nobody waits for one listing then, and a store in production is not asked for more at a time. */
const MOST_AT_ONCE = 8;

export interface RangesOptions<Entry> {
  /** All have to be `seekable`, else there is one walk; the ranges are cut by the first one's keys, if it has any. */
  readonly stores: readonly ObjectStore[];
  /** What there is in a range, in key order. */
  readonly open: (range: KeyRange) => Listing<Entry>;
  readonly range?: KeyRange | undefined;
  /** Ranges that may be listed at once; never more than 8. */
  readonly atOnce: Concurrency;
  readonly signal: AbortSignal;
  /** Keys that count as a page; S3's thousand when absent. */
  readonly page?: number;
}

type Keyed = { readonly key: string };

interface Walk<Entry> {
  readonly range: KeyRange;
  readonly pages: AsyncIterator<readonly Entry[]>;
  /** The page that was asked for; `null` at the end. */
  coming: Promise<readonly Entry[] | null>;
  /** Entries since it began, or since it could not be cut. */
  listed: number;
  /** How long the pages of these took to come, ms. */
  tookMs: number;
  /** Of this process, when the first of these was asked for. */
  loop: EventLoopUtilization;
  last: string | null;
}

interface Cut<Entry> {
  readonly walk: Walk<Entry>;
  readonly ranges: Promise<readonly KeyRange[]>;
  settled: boolean;
  drop(): Promise<void>;
}

/**
 * What `open` lists, each entry once; in key order as long as there are few, in that of several ranges afterwards.
 * Throws as the listings do, and the signal's reason.
 */
export function listInRanges<Entry extends Keyed>(options: RangesOptions<Entry>): Listing<Entry> {
  const { stores, open, range = {} } = options;
  return stores.every((store) => store.seekable === true) ? listingOf(() => pagesOfRanges(options)) : open(range);
}

/** All keys of two stores, each once with what either has, in no order when there are many. */
export function listPairs({
  from,
  to,
  range,
  concurrency,
  signal,
}: {
  readonly from: ObjectStore;
  readonly to: ObjectStore;
  readonly range?: KeyRange | undefined;
  readonly concurrency: Concurrency;
  readonly signal: AbortSignal;
}): Listing<KeyPair> {
  const open = (part: KeyRange): Listing<KeyPair> => mergeListings(listRange(from, part), listRange(to, part));
  return listInRanges({ stores: [from, to], open, range, atOnce: concurrency, signal });
}

/** All objects of one store, in no order when there are many. */
export function listObjects(
  store: ObjectStore,
  { range, concurrency, signal }: { range?: KeyRange | undefined; concurrency: Concurrency; signal: AbortSignal },
): Listing<ObjectHead> {
  return listInRanges({ stores: [store], open: (part) => listRange(store, part), range, atOnce: concurrency, signal });
}

async function* pagesOfRanges<Entry extends Keyed>(options: RangesOptions<Entry>): AsyncGenerator<readonly Entry[]> {
  const { open, range = {}, signal, page: pageSize = PAGE } = options;
  const atOnce = options.atOnce === 'auto' ? MOST_AT_ONCE : Math.min(MOST_AT_ONCE, options.atOnce);
  const walks = new Set([begin(open, range)]);
  let cut: Cut<Entry> | null = null;
  try {
    while (walks.size > 0) {
      const { walk, page } = await Promise.race(
        Array.from(walks, async (one) => ({ walk: one, page: await one.coming })),
      );
      signal.throwIfAborted();
      // Whoever had its turn stands behind the others.
      walks.delete(walk);
      if (page === null) {
        if (cut?.walk === walk) {
          await cut.drop();
          cut = null;
        }
        continue;
      }
      walks.add(walk);
      yield page;
      walk.listed += page.length;
      walk.last = page.at(-1)?.key ?? walk.last;
      const ranges: readonly KeyRange[] | null = cut?.walk === walk && cut.settled ? await cut.ranges : null;
      if (ranges !== null) {
        cut = null;
        Object.assign(walk, { listed: 0, tookMs: 0, loop: performance.eventLoopUtilization() });
        const rest = behind(ranges, walk.last);
        if (rest.length > 1) {
          walks.delete(walk);
          await walk.pages.return?.();
          for (const one of rest) walks.add(begin(open, one));
          continue;
        }
      }
      if (cut === null && walks.size < atOnce && waitsForPages(walk, pageSize))
        cut = beginCut(options, walk, atOnce - walks.size + 1);
      ask(walk);
    }
  } finally {
    await Promise.all([cut?.drop(), ...Array.from(walks, (walk) => walk.pages.return?.())]);
  }
}

/** Whether it has gone on for long, and the time went into waiting. */
function waitsForPages({ listed, tookMs, loop }: Walk<unknown>, pageSize: number): boolean {
  const pages = listed / pageSize;
  const slowMs = tookMs < LONG_MS ? SLOW_PAGE_MS : SLOW_PAGE_OF_MANY_MS;
  if (pages < PAGES_BEFORE_CUT || tookMs < slowMs * pages) return false;
  return performance.eventLoopUtilization(loop).utilization <= MOST_BUSY;
}

function begin<Entry>(open: (range: KeyRange) => Listing<Entry>, range: KeyRange): Walk<Entry> {
  const pages = pagesOf(open(range))[Symbol.asyncIterator]();
  const loop = performance.eventLoopUtilization();
  const walk = { range, pages, coming: Promise.resolve(null), listed: 0, tookMs: 0, loop, last: null };
  ask(walk);
  return walk;
}

function ask<Entry>(walk: Walk<Entry>): void {
  const askedAt = performance.now();
  walk.coming = walk.pages.next().then((next) => {
    walk.tookMs += performance.now() - askedAt;
    return next.done === true ? null : next.value;
  });
  // A failure is told when its turn comes, unless all has ended before.
  walk.coming.catch(() => {});
}

/** Cuts what a walk has still before it. */
function beginCut<Entry>(
  { stores, signal, page = PAGE }: RangesOptions<Entry>,
  walk: Walk<Entry>,
  partitions: number,
): Cut<Entry> {
  const stop = new AbortController();
  const range = walk.last === null ? walk.range : { ...walk.range, after: walk.last };
  const how = { partitions, least: page, sample: page, range, signal: AbortSignal.any([signal, stop.signal]) };
  const cutByAny = async (): Promise<readonly KeyRange[]> => {
    for (const store of stores) {
      const ranges = await cutKeySpace(store, how);
      if (ranges.length > 1) return ranges;
    }
    return [range];
  };
  const ranges = cutByAny();
  const settle = (): void => void (cut.settled = true);
  // Its failure is told to who asks for the ranges.
  const settled = ranges.then(settle, settle);
  const drop = (): Promise<void> => {
    stop.abort();
    return settled;
  };
  const cut: Cut<Entry> = { walk, ranges, settled: false, drop };
  return cut;
}

/** Of the ranges, what lies past a key. */
function behind(ranges: readonly KeyRange[], key: string | null): KeyRange[] {
  if (key === null) return [...ranges];
  return ranges
    .filter(({ until }) => until === undefined || compareKeys(until, key) > 0)
    .map((range) => (compareKeys(range.after ?? '', key) < 0 ? { ...range, after: key } : range));
}
