import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keysByRank } from './fixtures/keys-by-rank.ts';
import { memoryStore, type MemoryStore } from './fixtures/memory-store.ts';
import { compareKeys, listRange, type KeyRange } from './key-range.ts';
import { behindBeginning, keyBetween } from './key-space.ts';
import { cutKeySpace, splitPoint } from './partitions.ts';

const signal = new AbortController().signal;
/** Any text that S3 takes, the planes beyond the first too; and keys of few characters, which lie close together. */
const key = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }).filter((text) => !text.includes('\0')),
  fc.string({ unit: fc.constantFrom('a', 'b', '/', '~', 'ü', '\u{ffff}', '\u{10000}', '\u{10ffff}'), minLength: 1 }),
  fc.nat(300).map((number) => `one/folder/with/a/long/name/${number}`),
);
const keys = fc.uniqueArray(key, { maxLength: 120 });

function storeOf(names: readonly string[]): MemoryStore {
  const store = memoryStore('source');
  for (const name of names) store.place(name, name);
  return store;
}

async function namesIn(store: MemoryStore, range: KeyRange): Promise<string[]> {
  const names: string[] = [];
  for await (const one of listRange(store, range)) names.push(one.key);
  return names;
}

async function everyRange(store: MemoryStore, ranges: readonly KeyRange[]): Promise<string[]> {
  const all: string[] = [];
  for (const range of ranges) all.push(...(await namesIn(store, range)));
  return all;
}

describe('ranges of a key space', () => {
  it('hold every key exactly once, in order, whatever the keys, and those that are written later too', async () => {
    await fc.assert(
      fc.asyncProperty(keys, keys, fc.integer({ min: 1, max: 20 }), async (before, after, partitions) => {
        const store = storeOf(before);
        const ranges = await cutKeySpace(store, { partitions, sample: 3 });
        expect(ranges.length).toBeLessThanOrEqual(Math.max(1, partitions));
        for (const name of after) store.place(name, name);
        const inOrder = [...new Set([...before, ...after])].toSorted(compareKeys);
        expect(await everyRange(store, ranges)).toEqual(inOrder);
      }),
    );
  });

  it('of a small store are even to a key', async () => {
    const names = Array.from({ length: 100 }, (_, index) => `${index}`);
    const store = storeOf(names);
    const ranges = await cutKeySpace(store, { partitions: 8 });
    const sizes = await Promise.all(ranges.map(async (range) => (await namesIn(store, range)).length));
    expect(sizes.toSorted((a, b) => a - b)).toEqual([12, 12, 12, 12, 13, 13, 13, 13]);
  });

  it('of a small store hold as many keys as a range should at least', async () => {
    const store = storeOf(Array.from({ length: 100 }, (_, index) => `${index}`));
    expect(await cutKeySpace(store, { partitions: 8, least: 40 })).toHaveLength(3);
  });

  it('of an empty store are one', async () => {
    expect(await cutKeySpace(storeOf([]), { partitions: 8 })).toEqual([{}]);
  });

  it.each([
    ['in one folder', 0.2, [{ name: 'uploads/public/audio', keys: 10_000_000 }]],
    [
      'in a thousand folders',
      0.2,
      Array.from({ length: 1000 }, (_, n) => ({ name: `users/${n * 7919}`, keys: 10_000 })),
    ],
    [
      // What the first cut leaves too large, the tasks cut again.
      'in one folder of millions and many small ones',
      0.9,
      [{ name: 'm', keys: 9_000_000 }, ...Array.from({ length: 1000 }, (_, n) => ({ name: `user-${n}`, keys: 1000 }))],
    ],
    [
      'in folders whose names are in other scripts',
      0.3,
      ['аудио', '音楽', '🎵', 'ünüsual'].map((name) => ({ name, keys: 2_500_000 })),
    ],
  ])('cut ten million keys %s in a few hundred looks, and no part is more than %d of it', async (_, share, folders) => {
    const { store, pages, rankOf } = keysByRank(folders);
    const ranges = await cutKeySpace(store, { partitions: 64 });
    const ends = ranges.map(({ until }) => (until === undefined ? 10_000_000 : rankOf(until)));
    const sizes = ends.map((end, index) => end - (ends[index - 1] ?? 0));
    const largest = Math.max(...sizes);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(10_000_000);
    expect(ranges.length).toBe(64);
    expect(pages()).toBeLessThan(400);
    expect(largest).toBeLessThan(10_000_000 * share);
  });
});

describe('a range that turns out too large', () => {
  it('is split behind so many keys, and the rest is listed no further', async () => {
    const { store, pages } = keysByRank([{ name: 'a', keys: 1_000_000 }]);
    const most = { objects: 2500, bytes: 1e9 };
    expect(await splitPoint(store, {}, most, signal)).toBe('a/000002499');
    expect(await splitPoint(store, { after: 'a/000002499' }, most, signal)).toBe('a/000004999');
    expect(await splitPoint(store, { after: 'a/000997499' }, most, signal)).toBeNull();
    expect(pages()).toBe(9);
  });

  it('is split behind so many bytes; one object alone is not', async () => {
    const store = storeOf(['aaaa', 'bbbb', 'cccc']);
    expect(await splitPoint(store, {}, { objects: 10, bytes: 8 }, signal)).toBe('bbbb');
    expect(await splitPoint(store, {}, { objects: 10, bytes: 1 }, signal)).toBe('aaaa');
    expect(await splitPoint(store, { after: 'bbbb' }, { objects: 10, bytes: 1 }, signal)).toBeNull();
  });
});

describe('a guessed key', () => {
  it('lies strictly between the two that it is guessed from', () => {
    fc.assert(
      fc.property(key, fc.option(key), (one, other) => {
        const [low, high] = other === null || compareKeys(one, other) < 0 ? [one, other] : [other, one];
        for (const guess of [keyBetween(low, high), behindBeginning(low, high)]) {
          if (guess === null || low === high) continue;
          expect(compareKeys(low, guess), JSON.stringify([low, guess])).toBeLessThanOrEqual(0);
          if (high !== null) expect(compareKeys(guess, high), JSON.stringify([guess, high])).toBeLessThan(0);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
