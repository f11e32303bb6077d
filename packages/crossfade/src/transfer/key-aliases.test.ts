import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ObjectStore } from '../providers/providers.ts';
import { copyObjects } from './copy.ts';
import { memoryStore } from './fixtures/memory-store.ts';
import { findKeyAliases } from './key-aliases.ts';

const { signal } = new AbortController();
const [NFC, NFD] = ['caf\u00e9.mp3', 'cafe\u0301.mp3'];

function sourceOf(...keys: readonly string[]) {
  const from = memoryStore('legacy');
  for (const key of keys) from.place(key, `bytes of ${key}`);
  let listings = 0;
  const { list } = from;
  from.list = (...asked) => {
    listings++;
    return list(...asked);
  };
  return { from, listings: () => listings };
}

/** As R2 does: https://developers.cloudflare.com/r2/reference/unicode-interoperability/ */
const normalizing: ObjectStore = { ...memoryStore('r2'), normalizesKeys: true };
const find = (from: ObjectStore, to = normalizing) => findKeyAliases({ from, to, concurrency: 2, signal });

describe('keys that differ by Unicode normalisation alone', () => {
  it('are both named before anything is copied, and the others are', async () => {
    const { from } = sourceOf('a.mp3', NFC, NFD, '日本.mp3', 'z.mp3');
    const { refuses, keys } = await find(from);
    expect(keys).toBe(2);
    expect(refuses(NFC)).toBe(
      'r2 normalises keys to NFC and would hold one object for "caf\\u{e9}.mp3" and "cafe\\u{301}.mp3": rename all but one in the source',
    );
    const to = memoryStore('r2');
    const result = await copyObjects({ from, to, concurrency: 2, signal, refuses });
    expect(result).toMatchObject({ listed: 5, copied: 3, failures: 2 });
    expect(result.failed.map(({ key }) => key).toSorted()).toEqual([NFD, NFC].toSorted());
  });

  it('are no matter to a store that tells them apart, which is not even listed for it', async () => {
    const { from, listings } = sourceOf(NFC, NFD);
    expect(await find(from, memoryStore('s3'))).toMatchObject({ keys: 0 });
    expect(listings()).toBe(0);
  });

  it('are looked for in one listing where none are alike', async () => {
    const { from, listings } = sourceOf('a', NFD, '\u1100\u1161', 'ü', '日本');
    expect(await find(from)).toMatchObject({ keys: 0 });
    expect(listings()).toBe(1);
  });

  it('are all those, and only those, whose normal forms are equal', async () => {
    const text = fc.string({
      unit: fc.constantFrom('a', '\u00e9', 'e\u0301', '\u00c5', '\u212b', 'A\u030a', '가', '\u1100\u1161'),
      minLength: 1,
      maxLength: 3,
    });
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(text, { maxLength: 12 }), async (keys) => {
        const { refuses } = await find(sourceOf(...keys).from);
        for (const key of keys) {
          const alike = keys.filter((other) => other.normalize('NFC') === key.normalize('NFC'));
          expect(refuses(key) !== null).toBe(alike.length > 1);
        }
      }),
      { numRuns: 40 },
    );
  });
});
