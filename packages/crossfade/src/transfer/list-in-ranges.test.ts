import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { listingOf, pagesOf, type Listing } from '../providers/listing.ts';
import type { ObjectHead, ObjectStore } from '../providers/providers.ts';
import { copyObjects } from './copy.ts';
import { keysByRank } from './fixtures/keys-by-rank.ts';
import { memoryStore, type MemoryStore } from './fixtures/memory-store.ts';
import { compareKeys, listRange, type KeyRange } from './key-range.ts';
import { listInRanges, type RangesOptions } from './list-in-ranges.ts';
import { mergeListings, type KeyPair } from './merge-listings.ts';
import { measureLag, pendingObjects } from './pending.ts';
import { verifyObjects } from './verify.ts';

const { signal } = new AbortController();
/** What a page takes to come, ms. */
let pageMs = 0;
/** The share of the time for which this process is at work. */
let busy = 0;
beforeEach(() => {
  [pageMs, busy] = [100, 0.3];
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => (now += pageMs));
  vi.spyOn(performance, 'eventLoopUtilization').mockImplementation(() => ({ idle: 0, active: 0, utilization: busy }));
});
afterEach(() => void vi.restoreAllMocks());

const key = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 8 }).filter((text) => !text.includes('\0')),
  fc.string({ unit: fc.constantFrom('a', 'b', '/', '~', 'ü', '\u{ffff}', '\u{10000}', '\u{10ffff}'), minLength: 1 }),
  fc.nat(300).map((number) => `one/folder/with/a/long/name/${number}`),
);
/** As many as it takes to cut them. */
const keys = fc.uniqueArray(key, { maxLength: 150, size: 'max' });

async function* inPages(listing: Listing<ObjectHead>, size: number): AsyncGenerator<readonly ObjectHead[]> {
  let page: ObjectHead[] = [];
  for await (const head of listing) {
    page.push(head);
    if (page.length < size) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}

function storeOf(names: readonly string[], pageSize: number): MemoryStore {
  const store = memoryStore('store');
  for (const name of names) store.place(name, name);
  const { list } = store;
  return { ...store, seekable: true, list: (...asked) => listingOf(() => inPages(list(...asked), pageSize)) };
}

const numbered = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => String(index).padStart(6, '0'));

/** Each page of the whole listing takes a turn of the event loop: until the next one, a cut is done. */
const turnAtFirst = (range: KeyRange): Promise<void> => (range.after === undefined ? turn() : Promise.resolve());

/** Watches the pages of each range: which are asked for, how many in all, and which listings are open. */
function watched(store: ObjectStore, hold: (range: KeyRange) => Promise<void>) {
  const seen = { pages: 0, open: new Set<KeyRange>() };
  const open = (range: KeyRange): Listing<ObjectHead> =>
    listingOf(async function* () {
      seen.open.add(range);
      try {
        for await (const page of pagesOf(listRange(store, range))) {
          seen.pages++;
          await hold(range);
          yield page;
        }
      } finally {
        seen.open.delete(range);
      }
    });
  return { seen, open };
}

const PAGE = 5;
const walk = (store: ObjectStore, over: Partial<RangesOptions<ObjectHead>>) =>
  listInRanges({
    stores: [store],
    open: (range) => listRange(store, range),
    atOnce: 8,
    signal,
    page: PAGE,
    ...over,
  });

describe('listings that are walked in ranges', () => {
  it('give every key exactly once with both sides, whatever the keys and the pages', async () => {
    const sizes = fc.integer({ min: 1, max: 4 });
    await fc.assert(
      fc.asyncProperty(keys, keys, sizes, sizes, fc.integer({ min: 1, max: 9 }), async (left, right, a, b, atOnce) => {
        const [from, to] = [storeOf(left, a), storeOf(right, b)];
        const slow = watched(from, turnAtFirst);
        const open = (range: KeyRange) => mergeListings(slow.open(range), listRange(to, range));
        const pairs: KeyPair[] = [];
        for await (const pair of listInRanges({ stores: [from, to], open, atOnce, signal, page: 1 })) pairs.push(pair);
        const all = [...new Set([...left, ...right])].toSorted(compareKeys);
        expect(pairs.map((pair) => pair.key).toSorted(compareKeys)).toEqual(all);
        for (const pair of pairs)
          expect([pair.from?.key, pair.to?.key]).toEqual(
            [left, right].map((names) => (names.includes(pair.key) ? pair.key : undefined)),
          );
      }),
      { numRuns: 40 },
    );
  });

  it('give each key that stays exactly once, while others are written', async () => {
    await fc.assert(
      fc.asyncProperty(keys, keys, async (there, late) => {
        const store = storeOf(there, 2);
        const met: string[] = [];
        const coming = [...late];
        const { open } = watched(store, turnAtFirst);
        for await (const { key: name } of walk(store, { open, page: 1 })) {
          met.push(name);
          const next = coming.pop();
          if (next !== undefined) store.place(next, next);
        }
        expect(new Set(met).size).toBe(met.length);
        expect(met).toEqual(expect.arrayContaining(there));
      }),
      { numRuns: 40 },
    );
  });

  it('are one listing, in order, of a small store, and are asked for no page more', async () => {
    const { seen, open } = watched(storeOf(numbered(95), PAGE), turnAtFirst);
    const cut: ObjectStore = { ...storeOf([], PAGE), list: () => expect.fail('was looked at to be cut') };
    const met: string[] = [];
    for await (const one of walk(cut, { open })) met.push(one.key);
    expect(met).toEqual(numbered(95));
    expect(seen.pages).toBe(19);
  });

  it('are asked for a page of eight ranges at once', async () => {
    const store = storeOf(numbered(2000), PAGE);
    const held: (() => void)[] = [];
    const eight = Promise.withResolvers<void>();
    const { open } = watched(store, (range) => {
      if (range.after === undefined) return turn();
      return new Promise((resolve) => {
        held.push(resolve);
        if (held.length === 8) eight.resolve();
      });
    });
    const met = new Set<string>();
    const reading = (async () => {
      for await (const one of walk(store, { open, atOnce: 12 })) met.add(one.key);
    })();
    await Promise.race([eight.promise, reading]);
    await turn();
    expect(held).toHaveLength(8);
    // From here on each page is let through as it is asked for.
    held.push = (...resolves) => {
      for (const resolve of resolves) resolve();
      return 0;
    };
    for (const resolve of held) resolve();
    await reading;
    expect(met.size).toBe(2000);
  });

  it.each([
    { of: 'of a store whose pages come at once', ms: 1, share: 0.3 },
    { of: 'of a store whose pages take half of what a slow one takes', ms: 50, share: 0.3 },
    { of: 'while this process itself is at work for most of the time', ms: 100, share: 0.6 },
  ])('are one listing $of', async ({ ms, share }) => {
    [pageMs, busy] = [ms, share];
    const { seen, open } = watched(storeOf(numbered(60 * PAGE), PAGE), turnAtFirst);
    const met: string[] = [];
    let most = 0;
    for await (const one of walk(storeOf(numbered(60 * PAGE), PAGE), { open })) {
      met.push(one.key);
      most = Math.max(most, seen.open.size);
    }
    expect(most).toBe(1);
    expect(met).toEqual(numbered(60 * PAGE));
  });

  it('are several of a store that is not that slow, once a minute has gone into waiting for its pages', async () => {
    pageMs = 50;
    const store = storeOf(numbered(1500 * PAGE), PAGE);
    const { seen, open } = watched(store, turnAtFirst);
    let [most, met] = [0, 0];
    for await (const _one of walk(store, { open })) {
      met++;
      if (seen.open.size > 1) expect(met).toBeGreaterThan(1000 * PAGE);
      most = Math.max(most, seen.open.size);
    }
    expect(most).toBeGreaterThan(1);
    expect(met).toBe(1500 * PAGE);
  });

  it('cut again what goes on alone when the other ranges have ended', async () => {
    const { store } = keysByRank([{ name: 'b', keys: 3000 }]);
    const opened: KeyRange[] = [];
    const open = (range: KeyRange): Listing<ObjectHead> => {
      opened.push(range);
      return listRange(store, range);
    };
    let met = 0;
    for await (const one of walk({ ...store, seekable: true }, { open, atOnce: 2, page: 10 })) met += one.size;
    expect(met).toBe(3000);
    expect(opened.length).toBeGreaterThan(4);
  });

  it('fetch no more than a page of each range ahead of who does not read on', async () => {
    const store = storeOf(numbered(2000), PAGE);
    const { seen, open } = watched(store, turnAtFirst);
    const pages = pagesOf(walk(store, { open }))[Symbol.asyncIterator]();
    let taken = 0;
    for (let ended = false; seen.open.size < 8 && !ended; taken++) ended = (await pages.next()).done === true;
    expect(seen.open.size).toBe(8);
    // All that could be fetched without being taken is fetched until the next turn.
    await turn();
    expect(seen.pages).toBeGreaterThan(taken);
    expect(seen.pages).toBeLessThanOrEqual(taken + 1 + 8);
    await pages.return?.();
    expect(seen.open.size).toBe(0);
  });

  it.each([
    ['fails', new Error('the store is gone')],
    ['is interrupted', new Error('the operator said so')],
  ])('end with the reason when one %s, and all are closed', async (how, reason) => {
    const store = storeOf(numbered(2000), PAGE);
    const stop = new AbortController();
    const { seen, open } = watched(store, async (range) => {
      await turnAtFirst(range);
      if (seen.open.size < 8) return;
      if (how === 'fails') throw reason;
      stop.abort(reason);
    });
    const read = async (): Promise<void> => {
      for await (const one of walk(store, { open, signal: stop.signal })) expect(one.size).toBe(6);
    };
    await expect(read()).rejects.toBe(reason);
    expect(seen.open.size).toBe(0);
  });

  it('end with the reason when one that is not cut is interrupted', async () => {
    const store = storeOf(numbered(30), PAGE);
    const stop = new AbortController();
    const { seen, open } = watched(store, async () => {
      if (seen.pages === 3) stop.abort(new Error('the operator said so'));
    });
    const met: string[] = [];
    const read = async (): Promise<void> => {
      for await (const one of walk(store, { open, signal: stop.signal })) met.push(one.key);
    };
    await expect(read()).rejects.toThrow('the operator said so');
    expect([met.length, seen.open.size]).toEqual([2 * PAGE, 0]);
  });

  it('end with the reason when the rest cannot be cut', async () => {
    const store = storeOf(numbered(2000), PAGE);
    const gone = (): never => {
      throw new Error('the store is gone');
    };
    const broken: ObjectStore = { ...store, list: () => listingOf(gone) };
    const { seen, open } = watched(store, async () => {});
    const read = async (): Promise<void> => {
      for await (const one of walk(broken, { open })) expect(one.size).toBe(6);
    };
    await expect(read()).rejects.toThrow('the store is gone');
    expect(seen.open.size).toBe(0);
  });

  it('are one listing where one of the stores cannot begin anywhere', async () => {
    const store = storeOf(numbered(2000), PAGE);
    const opened: KeyRange[] = [];
    const open = (range: KeyRange): Listing<ObjectHead> => {
      opened.push(range);
      return listRange(store, range);
    };
    const { seekable: _seekable, ...folder } = store;
    const met: string[] = [];
    for await (const one of walk(store, { open, stores: [store, folder] })) met.push(one.key);
    expect(met).toEqual(numbered(2000));
    expect(opened).toEqual([{}]);
  });
});

describe('a store of many keys', () => {
  const MANY = 200_000;
  /** Every object is there; tells how many listings were open at once. */
  function many(count: number): { store: ObjectStore; atOnce: () => number } {
    const ranked = keysByRank([{ name: 'uploads', keys: count }]);
    const etag = createHash('md5').update('x').digest('hex');
    const lastModified = new Date(0).toISOString();
    let [open, most] = [0, 0];
    async function* pages(prefix?: string, after?: string): AsyncGenerator<readonly ObjectHead[]> {
      most = Math.max(most, ++open);
      try {
        for await (const page of inPages(ranked.store.list(prefix, after), 1000))
          yield await turn(page.map((head) => ({ ...head, etag, lastModified })));
      } finally {
        open--;
      }
    }
    const store: ObjectStore = {
      ...ranked.store,
      seekable: true,
      list: (prefix, after) => listingOf(() => pages(prefix, after)),
    };
    return { store, atOnce: () => most };
  }

  it('is copied by several listings of each side at once, each key once', async () => {
    const { store, atOnce } = many(MANY);
    const result = await copyObjects({ from: store, to: store, concurrency: 12, signal });
    expect(result).toMatchObject({ present: MANY, copied: 0 });
    expect(atOnce()).toBeGreaterThan(2);
  });

  it('is copied by one listing of each side where one object at a time was asked for', async () => {
    const { store, atOnce } = many(MANY);
    await copyObjects({ from: store, to: store, concurrency: 1, signal });
    expect(atOnce()).toBe(2);
  });

  it('is verified by several listings of each side at once, each key once', async () => {
    const { store, atOnce } = many(MANY);
    const result = await verifyObjects({ from: store, to: store, concurrency: 12, signal });
    expect(result).toMatchObject({ objects: MANY, verified: MANY, missing: [], extra: [], mismatched: [] });
    expect(atOnce()).toBeGreaterThan(2);
  });

  it('is counted by several listings at once, also where the other side has to be read in order', async () => {
    const { store, atOnce } = many(MANY);
    const totals: number[] = [];
    const onProgress = ({ totalObjects }: { totalObjects: number }): void => void totals.push(totalObjects);
    await verifyObjects({ from: store, to: { ...store, seekable: false }, concurrency: 12, signal, onProgress });
    expect(totals.at(-1)).toBe(MANY);
    // One of each side for the verification, the others for the count.
    expect(atOnce()).toBeGreaterThan(3);
  });

  it('tells the lag by several listings, and what is pending in order by one', async () => {
    const { store, atOnce } = many(MANY);
    const empty = { ...memoryStore('r2'), seekable: true };
    const names: string[] = [];
    for await (const { key: name } of pendingObjects({ from: store, to: empty, signal })) names.push(name);
    expect(names).toEqual(names.toSorted(compareKeys));
    expect([names.length, atOnce()]).toEqual([MANY, 1]);
    expect((await measureLag({ from: store, to: empty, signal, concurrency: 12 })).pending).toBe(MANY);
    expect(atOnce()).toBeGreaterThan(2);
  });
});
