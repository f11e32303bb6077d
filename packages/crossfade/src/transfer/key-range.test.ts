import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { copyObjects } from './copy.ts';
import { memoryStore, type MemoryStore } from './fixtures/memory-store.ts';
import { compareKeys } from './key-range.ts';
import { verifyObjects } from './verify.ts';

const { signal } = new AbortController();
const text = fc.string({ unit: 'grapheme', maxLength: 6 });

function stores(): { from: MemoryStore; to: MemoryStore } {
  const from = memoryStore('legacy');
  for (const key of ['a', 'b', 'c', 'd', 'e']) from.place(key, `bytes of ${key}`);
  return { from, to: memoryStore('r2') };
}

describe('the order of keys', () => {
  it('is that of their bytes in UTF-8', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(Math.sign(compareKeys(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
      { examples: [['\u{1f600}', '\uffee'] as [string, string], ['\u{10ffff}', '\ue000'] as [string, string]] },
    );
  });
});

describe('a range of keys', () => {
  it('is copied past its beginning, up to and with its end', async () => {
    const both = stores();
    const range = { after: 'a', until: 'c' };
    expect(await copyObjects({ ...both, range, concurrency: 2, signal })).toMatchObject({ copied: 2, present: 0 });
    expect([...both.to.objects.keys()]).toEqual(['b', 'c']);
  });

  it('is verified by itself: what lies outside of it on either side is not told', async () => {
    const both = stores();
    both.to.place('0', 'extra, before');
    both.to.place('bb', 'extra, within');
    both.to.place('z', 'extra, after');
    const verified = await verifyObjects({ ...both, range: { after: 'a', until: 'c' }, concurrency: 2, signal });
    expect(verified).toMatchObject({ objects: 2, missing: ['b', 'c'], extra: ['bb'] });
  });

  it('may be open at either end; ranges side by side cover every key once', async () => {
    const both = stores();
    const ranges = [{ until: 'b' }, { after: 'b', until: 'd' }, { after: 'd' }];
    const counts: number[] = [];
    for (const range of ranges) counts.push((await copyObjects({ ...both, range, concurrency: 2, signal })).copied);
    expect(counts).toEqual([2, 2, 1]);
  });
});
