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
    expect(await repairObjects(keys('c', 'b'), { copy, verify })).toEqual({ copied: 2, verified: 2 });
    expect(await verifyObjects(verify)).toMatchObject({ verified: 3, missing: [], mismatched: [] });
  });

  it('tells what is still wrong afterwards', async () => {
    const [from, to] = [memoryStore('legacy'), memoryStore('r2')];
    from.place('a', 'bytes');
    const told: VerifyFinding[] = [];
    const failed: string[] = [];
    const refusing = { ...to, put: () => Promise.reject(new Error('no')) };
    const copy = {
      from,
      to: refusing,
      concurrency: 1,
      signal,
      onFailed: ({ key }: { key: string }) => void failed.push(key),
    };
    const verify = {
      from,
      to: refusing,
      concurrency: 1,
      signal,
      onFinding: (one: VerifyFinding) => void told.push(one),
    };
    expect(await repairObjects(keys('a'), { copy, verify })).toEqual({ copied: 0, verified: 0 });
    expect([failed, told]).toEqual([['a'], [{ kind: 'missing', key: 'a' }]]);
  });
});
