import { describe, expect, it } from 'vitest';
import { memoryStore } from './fixtures/memory-store.ts';
import { repairObjects } from './repair.ts';
import { verifyObjects, type VerifyFinding } from './verify.ts';

const { signal } = new AbortController();

async function* keys(...all: string[]): AsyncGenerator<string> {
  yield* all;
}

describe('a repair', () => {
  it('copies again exactly what is named, though the listings say that it is the same', async () => {
    const [from, to] = [memoryStore('legacy'), memoryStore('r2')];
    for (const key of ['a', 'b', 'c']) for (const one of [from, to]) one.place(key, `bytes of ${key}`);
    // A target that lies: its ETag is still the old one.
    const b = to.objects.get('b');
    if (b !== undefined) b.bytes = Buffer.from('bytes of X');
    to.objects.delete('c');
    const copy = { from, to, concurrency: 2, signal };
    const verify = { ...copy, deep: true };
    expect(await verifyObjects(verify)).toMatchObject({
      missing: ['c'],
      mismatched: [{ key: 'b', reason: 'SHA-256' }],
    });
    expect(await repairObjects(keys('c', 'b'), { copy, verify })).toEqual({
      copied: 2,
      account: { listed: 2, proven: 2, failed: 0, gone: 0, late: 0 },
    });
    expect(await verifyObjects(verify)).toMatchObject({ verified: 3, missing: [], mismatched: [] });
  });

  it('tells each key that is still wrong once, by the reason of the copy, and each that is gone', async () => {
    const [from, to] = [memoryStore('legacy'), memoryStore('r2')];
    for (const key of ['denied', 'good', 'refused']) from.place(key, 'bytes');
    const head: typeof from.head = async (key) => {
      if (key === 'denied') throw new Error('AccessDenied');
      return from.head(key);
    };
    const put: typeof to.put = (key, ...object) =>
      key === 'refused' ? Promise.reject(new Error('no room for it')) : to.put(key, ...object);
    const told: VerifyFinding[] = [];
    const both = { from: { ...from, head }, to: { ...to, put, list: to.list }, concurrency: 1, signal };
    const options = {
      copy: both,
      verify: { ...both, deep: true, onFinding: (one: VerifyFinding) => void told.push(one) },
    };
    from.onGet = (key) => {
      if (key === 'denied') throw new Error('AccessDenied');
      return null;
    };
    const repaired = await repairObjects(keys('denied', 'good', 'refused', 'vanished'), options);
    expect(repaired).toEqual({ copied: 1, account: { listed: 4, proven: 1, failed: 2, gone: 1, late: 0 } });
    expect(told.toSorted((a, b) => (a.key < b.key ? -1 : 1))).toEqual([
      { kind: 'failed', key: 'denied', reason: 'AccessDenied' },
      { kind: 'failed', key: 'refused', reason: 'no room for it' },
      { kind: 'gone', key: 'vanished' },
    ]);
  });
});
