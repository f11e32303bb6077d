import { describe, expect, it } from 'vitest';
import { catchUp } from './catch-up.ts';
import { copyObjects } from './copy.ts';
import { brokenAfter, memoryStore, type MemoryStore } from './fixtures/memory-store.ts';

const signal = new AbortController().signal;
const copy = (from: MemoryStore, to: MemoryStore, more = {}) =>
  copyObjects({ from, to, concurrency: 4, signal, ...more });
const bytesOf = (store: MemoryStore, key: string): string | undefined => store.objects.get(key)?.bytes.toString();

function twoStores(): [MemoryStore, MemoryStore] {
  const from = memoryStore('legacy');
  for (const name of ['a', 'b', 'c/d', 'ü %2F+', 'ё']) from.place(name, `bytes of ${name}`);
  return [from, memoryStore('r2')];
}

describe('a copy', () => {
  it('brings every object with its metadata, an empty one too', async () => {
    const [from, to] = twoStores();
    from.place('empty', '');
    expect(await copy(from, to)).toMatchObject({ copied: 6, present: 0, gone: 0, failed: [] });
    for (const [key, object] of from.objects) {
      expect(to.objects.get(key)).toMatchObject({ bytes: object.bytes, meta: object.meta });
    }
  });

  it('run again, copies only what is missing or differs', async () => {
    const [from, to] = twoStores();
    await copy(from, to);
    from.place('b', 'other bytes');
    to.objects.delete('a');
    expect(await copy(from, to)).toMatchObject({ copied: 2, present: 3 });
    expect(bytesOf(to, 'b')).toBe('other bytes');
  });

  it('takes a body that broke off up again where it ended', async () => {
    const from = memoryStore('legacy');
    const to = memoryStore('r2');
    from.place('song', 'x'.repeat(1000) + 'y'.repeat(1000));
    let gets = 0;
    from.onGet = (_key, bytes) => (gets++ === 0 ? brokenAfter(bytes, 1200) : null);
    expect(await copy(from, to)).toMatchObject({ copied: 1, failed: [] });
    expect(bytesOf(to, 'song')).toBe(bytesOf(from, 'song'));
    expect(gets).toBe(2);
  });

  it('begins anew when the object became another one while it was read, and never mixes the two', async () => {
    const from = memoryStore('legacy');
    const to = memoryStore('r2');
    from.place('song', 'old old old old');
    let gets = 0;
    from.onGet = (key, bytes) => {
      if (gets++ > 0) return null;
      from.place(key, 'new bytes, and more of them');
      return brokenAfter(bytes, 4);
    };
    expect(await copy(from, to)).toMatchObject({ copied: 1, failed: [] });
    expect(bytesOf(to, 'song')).toBe('new bytes, and more of them');
  });

  it('counts an object that vanished in between, and goes on', async () => {
    const [from, to] = twoStores();
    const { get } = from;
    from.get = async (key, range) => {
      if (key === 'b') from.objects.delete('b');
      return get(key, range);
    };
    expect(await copy(from, to)).toMatchObject({ copied: 4, gone: 1, failed: [] });
  });

  it('names the object that cannot be copied; the others are', async () => {
    const [from, to] = twoStores();
    from.onGet = (key, bytes) => (key === 'c/d' ? brokenAfter(bytes, 1) : null);
    const { failed, copied } = await copy(from, to);
    expect(copied).toBe(4);
    expect(failed).toEqual([{ key: 'c/d', reason: expect.stringContaining('broke off after') }]);
    expect(to.objects.has('c/d')).toBe(false);
  });

  it('does not believe a source that sends other bytes than its MD5 names, and others again', async () => {
    const [from, to] = twoStores();
    let reads = 0;
    from.onGet = (key, bytes) => (key === 'a' ? brokenAfter(Buffer.alloc(bytes.length, ++reads), bytes.length) : null);
    const { failed } = await copy(from, to);
    expect(failed).toEqual([{ key: 'a', reason: expect.stringContaining('says that the MD5 is') }]);
  });

  it('stops with the reason when it is told to', async () => {
    const [from, to] = twoStores();
    const stop = new AbortController();
    from.onGet = () => {
      stop.abort(new Error('the operator said so'));
      return null;
    };
    await expect(copy(from, to, { signal: stop.signal })).rejects.toThrow('the operator said so');
  });

  it('reports progress up to the last byte', async () => {
    const [from, to] = twoStores();
    const seen: { objects: number; totalObjects: number; bytes: number; totalBytes: number }[] = [];
    await copy(from, to, { onProgress: (one: (typeof seen)[number]) => seen.push(one) });
    const last = seen.at(-1);
    expect(last).toMatchObject({ objects: 5, totalObjects: 5 });
    expect(last?.bytes).toBe(last?.totalBytes);
  });
});

describe('catching up', () => {
  it('goes on until a pass finds nothing new', async () => {
    const [from, to] = twoStores();
    let late = 0;
    from.onGet = () => {
      if (late < 3) from.place(`late ${late++}`, 'uploaded during the copy');
      return null;
    };
    const { passes, caughtUp } = await catchUp({ from, to, concurrency: 2, signal });
    expect(caughtUp).toBe(true);
    expect(passes.at(-1)?.copied).toBe(0);
    expect([...to.objects.keys()].toSorted()).toEqual([...from.objects.keys()].toSorted());
  });

  it('says so when uploads come faster than they are copied', async () => {
    const [from, to] = twoStores();
    let late = 0;
    from.onGet = () => {
      from.place(`late ${late++}`, 'x');
      return null;
    };
    expect((await catchUp({ from, to, concurrency: 1, signal, maxPasses: 3 })).caughtUp).toBe(false);
  });
});
