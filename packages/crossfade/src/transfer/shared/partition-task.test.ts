import { describe, expect, it } from 'vitest';
import { metaOf } from '../../providers/object-meta.ts';
import { ProviderError } from '../../providers/provider-error.ts';
import { brokenAfter, memoryStore, type MemoryStore } from '../fixtures/memory-store.ts';
import type { VerifiedObject } from '../verify.ts';
import type { UnprovenObject } from '../manifest.ts';
import { copyPartition, type PartitionTask } from './partition-task.ts';

function twoStores(): { from: MemoryStore; to: MemoryStore } {
  const from = memoryStore('legacy');
  for (const key of ['a', 'b', 'c', 'd']) from.place(key, `bytes of ${key}`);
  return { from, to: memoryStore('r2') };
}

/** Copies `b` and `c`; with the last manifest that was written. */
async function copy(stores: { from: MemoryStore; to: MemoryStore }, over: Partial<PartitionTask> = {}) {
  let manifest: string[] = [];
  let notes: UnprovenObject[] = [];
  const result = await copyPartition({
    ...stores,
    range: { after: 'a', until: 'c' },
    concurrency: 2,
    deep: false,
    filter: undefined,
    onMoved() {},
    manifest() {
      manifest = [];
      notes = [];
      return {
        write: async ({ key }: VerifiedObject) => void manifest.push(key),
        note: async (one: UnprovenObject) => void notes.push(one),
        close: async () => {},
      };
    },
    signal: new AbortController().signal,
    ...over,
  });
  return { result, manifest: manifest.toSorted(), notes };
}

const away = () => new ProviderError('r2', 'ListObjectsV2', { status: null, message: 'nobody there' });

describe('a partition', () => {
  it('is copied and verified by itself, with its part of the manifest', async () => {
    const stores = twoStores();
    const { result, manifest } = await copy(stores);
    expect(result).toMatchObject({ objects: 2, verified: 2, copied: 2, failed: 0 });
    expect([...stores.to.objects.keys()].toSorted()).toEqual(['b', 'c']);
    expect(manifest).toEqual(['b', 'c']);
  });

  it('names what the target cannot hold beside the others, in one round, and never writes it', async () => {
    const stores = twoStores();
    const puts: string[] = [];
    const { put } = stores.to;
    stores.to.put = (key, ...object) => (puts.push(key), put(key, ...object));
    const refuses = (key: string): string | null => (key === 'b' ? 'one object with c' : null);
    const { result, manifest, notes } = await copy(stores, { refuses });
    expect(result).toMatchObject({ objects: 2, verified: 1, copied: 1, failed: 1, gone: 0 });
    expect(result.failures).toEqual([{ key: 'b', reason: 'one object with c' }]);
    expect([manifest, notes]).toEqual([['c'], [{ key: 'b', failed: 'one object with c' }]]);
    expect(puts).toEqual(['c']);
  });

  it('names what has custom values that the source does not tell, and copies it once', async () => {
    const stores = twoStores();
    stores.from.place('b', 'bytes of b', { meta: metaOf({ untold: 3 }) });
    const { result, manifest, notes } = await copy(stores);
    expect(result).toMatchObject({ objects: 2, verified: 1, copied: 2, failed: 1 });
    expect(result.failures).toEqual([{ key: 'b', reason: expect.stringContaining('3 custom values are lost') }]);
    expect([manifest, notes]).toEqual([['c'], [{ key: 'b', failed: expect.stringContaining('3 custom values') }]]);
  });

  it('taken over, copies only what is missing', async () => {
    const stores = twoStores();
    await copy(stores, { range: { after: 'a', until: 'b' } });
    expect((await copy(stores)).result).toMatchObject({ objects: 2, verified: 2, copied: 1 });
  });

  it('copies anew what only looks like the source by its size and time', async () => {
    const stores = twoStores();
    stores.from.place('c', 'bytes of c', { etag: `${'0'.repeat(32)}-1` });
    stores.to.place('c', 'other byte');
    const { result } = await copy(stores);
    expect(result).toMatchObject({ verified: 2, copied: 2, failed: 0 });
    expect(stores.to.objects.get('c')?.bytes.toString()).toBe('bytes of c');
  });

  it('waits for a store that is away', async () => {
    const stores = twoStores();
    const { list } = stores.to;
    let calls = 0;
    stores.to.list = (...from) => {
      if (calls++ < 3) throw away();
      return list(...from);
    };
    expect((await copy(stores)).result).toMatchObject({ verified: 2, failed: 0 });
    expect(calls).toBeGreaterThan(3);
  });

  it('names what will not arrive, with the reason, and brings the rest', async () => {
    const stores = twoStores();
    stores.from.onGet = (key, bytes) => (key === 'b' ? brokenAfter(bytes, 1) : null);
    const { result } = await copy(stores);
    expect(result).toMatchObject({ objects: 2, verified: 1, failed: 1 });
    expect(result.failures).toEqual([{ key: 'b', reason: expect.stringContaining('broke off') }]);
  });

  it('ends although a target takes an object and loses it each time', async () => {
    const stores = twoStores();
    const { put } = stores.to;
    stores.to.put = async (key, ...object) => {
      const stored = await put(key, ...object);
      if (key === 'b') stores.to.objects.delete('b');
      return stored;
    };
    const { result, manifest } = await copy(stores);
    expect(result).toMatchObject({ objects: 2, verified: 1, failed: 1, gone: 0 });
    expect(result.failures).toMatchObject([{ key: 'b' }]);
    expect(manifest).toEqual(['c']);
  });

  it('that may not be read is given up at once', async () => {
    const stores = twoStores();
    stores.from.list = () => {
      throw new ProviderError('legacy', 'ListObjectsV2', { status: 403, message: 'expired' });
    };
    const { result } = await copy(stores);
    expect(result).toMatchObject({ verified: 0, failed: 1 });
    expect(result.failures[0]).toMatchObject({ key: null, reason: expect.stringContaining('expired') });
  });

  it('ends with the reason when it is stopped', async () => {
    const stores = twoStores();
    const stop = new AbortController();
    stores.from.onGet = () => {
      stop.abort(new Error('somebody else has it'));
      return null;
    };
    await expect(copy(stores, { signal: stop.signal })).rejects.toThrow('somebody else has it');
  });
});
