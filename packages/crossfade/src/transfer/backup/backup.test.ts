import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { memoryStore, type MemoryStore } from '../fixtures/memory-store.ts';
import { keepObject } from './object-versions.ts';
import { makeBase, versionKeeper, type WriteEvent } from './keep-versions.ts';
import { restoreTo, TimeNotKept, type RestoreOptions, type RestoreResult } from './restore.ts';
import { sortedOnDisk } from './sorted-on-disk.ts';

const signal = new AbortController().signal;
const START = Date.UTC(2026, 5, 1);

interface World {
  readonly media: MemoryStore;
  readonly backup: MemoryStore;
  readonly keep: (event: WriteEvent) => Promise<void>;
  put(key: string, content: string): WriteEvent;
  remove(key: string): WriteEvent;
}

/** A media bucket, its backup, and a clock that moves on by a second with each change. */
function world(): World {
  vi.setSystemTime(START);
  const [media, backup] = [memoryStore('r2:media'), memoryStore('r2:backup')];
  let events = 0;
  const event = (type: WriteEvent['type'], key: string): WriteEvent => {
    const object = media.objects.get(key);
    const at = new Date().toISOString();
    return {
      id: `event-${events++}`,
      type,
      key,
      size: object?.bytes.byteLength ?? null,
      etag: object?.etag ?? null,
      at,
    };
  };
  // Stores have the time of the world.
  for (const store of [media, backup]) {
    const { place } = store;
    store.place = (key, bytes, over) => place(key, bytes, { ...over, lastModified: new Date().toISOString() });
    store.put = async (key, body, size, meta) => {
      const chunks: Buffer[] = [];
      for await (const chunk of body instanceof Uint8Array ? [body] : body) chunks.push(Buffer.from(chunk));
      const bytes = Buffer.concat(chunks);
      if (bytes.byteLength !== size) throw new Error(`${bytes.byteLength} bytes came instead of ${size}`);
      store.place(key, bytes, { meta });
      return { etag: store.objects.get(key)?.etag ?? '' };
    };
  }
  return {
    media,
    backup,
    keep: versionKeeper({ media, backup, signal }),
    put(key, content) {
      later();
      media.place(key, content);
      return event('put', key);
    },
    remove(key) {
      later();
      const told = event('delete', key);
      media.objects.delete(key);
      return told;
    },
  };
}
const later = (): void => void vi.setSystemTime(Date.now() + 1000);

const contents = (store: MemoryStore): Record<string, string> =>
  Object.fromEntries([...store.objects].map(([key, { bytes }]) => [key, bytes.toString()]).toSorted());

const restore = (at: World, toMs: number, over: Partial<RestoreOptions> = {}): Promise<RestoreResult> => {
  later();
  return restoreTo({
    backup: at.backup,
    target: at.media,
    inPlace: true,
    toMs,
    concurrency: 4,
    dryRun: false,
    signal,
    ...over,
  });
};
const base = async (at: World): Promise<number> => {
  later();
  await makeBase({ media: at.media, backup: at.backup, signal }, 4);
  return Date.now();
};

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }));
afterEach(() => void vi.useRealTimers());

const key = fc.constantFrom('a', 'a/b', 'a-b', 'ä/漢 😀', 'sp ace+%2F?#', `long/${'x'.repeat(1010)}`);
const write = fc.oneof(
  fc.record({ key, content: fc.string({ maxLength: 8 }) }),
  fc.record({ key, content: fc.constant(null) }),
);

describe('a restore', () => {
  it('brings back any moment of any history, and any moment before a restore', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(write, { maxLength: 4 }),
        fc.array(write, { minLength: 1, maxLength: 12 }),
        fc.array(fc.nat(1000), { minLength: 1, maxLength: 3 }),
        fc.boolean(),
        async (before, history, moments, baseAgain) => {
          const at = world();
          for (const one of before) if (one.content !== null) at.put(one.key, one.content);
          const known = [{ ms: await base(at), state: contents(at.media) }];
          for (const [index, one] of history.entries()) {
            if (baseAgain && index === 5) await base(at);
            await at.keep(one.content === null ? at.remove(one.key) : at.put(one.key, one.content));
            known.push({ ms: Date.now(), state: contents(at.media) });
          }
          for (const moment of moments) {
            const { ms, state } = known[moment % known.length] ?? { ms: 0, state: {} };
            const result = await restore(at, ms);
            expect(result.failures).toEqual([]);
            expect(contents(at.media)).toEqual(state);
            const again = await restore(at, ms);
            expect(again).toMatchObject({
              restored: 0,
              overwritten: 0,
              deleted: 0,
              unchanged: Object.keys(state).length,
            });
            later();
            known.push({ ms: Date.now(), state: contents(at.media) });
          }
        },
      ),
      { numRuns: 60 },
    );
  }, 60_000);

  it('keeps what the mirror was never told of before it overwrites or deletes it', async () => {
    const at = world();
    at.put('one', 'then');
    const then = await base(at);
    at.put('one', 'never told');
    at.put('two', 'never told either');
    later();
    const now = { ms: Date.now(), state: contents(at.media) };
    later();
    expect(await restore(at, then)).toMatchObject({ overwritten: 1, deleted: 1, failed: 0 });
    expect(contents(at.media)).toEqual({ one: 'then' });
    await restore(at, now.ms);
    expect(contents(at.media)).toEqual(now.state);
  });

  it('leaves an object that it was never told of where it was written before that moment, and not since', async () => {
    const at = world();
    at.put('deleted', 'and made again');
    await base(at);
    await at.keep(at.remove('deleted'));
    at.put('deleted', 'untold');
    at.put('untold', 'there then');
    later();
    const then = { ms: Date.now(), state: contents(at.media) };
    later();
    at.put('since', 'not there then');
    expect(await restore(at, then.ms)).toMatchObject({ objects: 2, unchanged: 2, deleted: 1, failed: 0 });
    expect(contents(at.media)).toEqual(then.state);
  });

  it('carries the metadata of each object with it, but not that legacy has it: it may have been deleted there', async () => {
    const at = world();
    const meta = { contentType: 'audio/wav', cacheControl: 'max-age=60', custom: { artist: 'Ada' } };
    at.media.place('one', 'then', {
      meta: { ...meta, custom: { ...meta.custom, 'crossfade-legacy': 'carried-over' } },
    });
    const then = await base(at);
    at.media.place('one', 'now', { meta: { contentType: 'text/plain', cacheControl: null, custom: {} } });
    await restore(at, then);
    const restored = at.media.objects.get('one')?.meta;
    expect(restored).toMatchObject(meta);
    expect(restored?.custom).not.toHaveProperty('crossfade-legacy');
  });

  it('names every change in a dry run, with counts, and makes none', async () => {
    const at = world();
    at.put('gone', '12345');
    at.put('changed', 'then');
    at.put('same', 'same');
    const then = await base(at);
    for (const event of [at.remove('gone'), at.put('changed', 'now'), at.put('new', 'n')]) await at.keep(event);
    const [media, backup] = [contents(at.media), contents(at.backup)];
    const changes: string[] = [];
    const result = await restore(at, then, {
      dryRun: true,
      onChange: ({ key: one, change }) => changes.push(`${change} ${one}`),
    });
    expect(changes.toSorted()).toEqual(['delete new', 'overwrite changed', 'restore gone']);
    expect(result).toMatchObject({
      objects: 3,
      unchanged: 1,
      restored: 1,
      overwritten: 1,
      deleted: 1,
      bytes: 9,
      failed: 0,
    });
    expect([contents(at.media), contents(at.backup)]).toEqual([media, backup]);
  });

  it('into a bucket beside leaves the media bucket and what is beside already', async () => {
    const at = world();
    at.put('one', 'then');
    const then = await base(at);
    await at.keep(at.put('one', 'now'));
    const beside = memoryStore('r2:beside');
    beside.place('other', 'stays');
    for (const restored of [1, 0])
      expect(await restore(at, then, { target: beside, inPlace: false })).toMatchObject({
        restored,
        extra: 1,
        failed: 0,
      });
    expect(contents(beside)).toEqual({ one: 'then', other: 'stays' });
    expect(contents(at.media)).toEqual({ one: 'now' });
  });

  it('ends right when it was killed at whatever call and is run again', async () => {
    let kills = 0;
    for (let killAt = 1; ; killAt++) {
      const at = world();
      for (const name of ['gone', 'changed', 'same']) at.put(name, `${name} then`);
      const state = contents(at.media);
      const then = await base(at);
      for (const event of [at.remove('gone'), at.put('changed', 'now'), at.put('new', 'n')]) await at.keep(event);
      later();
      const before = { ms: Date.now(), state: contents(at.media) };
      let calls = 0;
      const abort = new AbortController();
      const dying = (store: MemoryStore): MemoryStore => ({
        ...store,
        async put(...args) {
          if (++calls === killAt) abort.abort(new Error('kill -9'));
          abort.signal.throwIfAborted();
          return store.put(...args);
        },
        async delete(...args) {
          if (++calls === killAt) abort.abort(new Error('kill -9'));
          abort.signal.throwIfAborted();
          return store.delete(...args);
        },
      });
      later();
      const killed = restore(at, then, {
        target: dying(at.media),
        backup: dying(at.backup),
        signal: abort.signal,
        concurrency: 1,
      });
      if (
        await killed.then(
          () => false,
          () => true,
        )
      )
        kills++;
      expect((await restore(at, then)).failures).toEqual([]);
      expect(contents(at.media)).toEqual(state);
      await restore(at, before.ms);
      expect(contents(at.media)).toEqual(before.state);
      if (calls < killAt) break;
    }
    expect(kills).toBeGreaterThan(5);
  });

  it.each([
    ['missing', 'is missing in r2:backup', (at: World, path: string) => void at.backup.objects.delete(path)],
    ['corrupted by one byte', 'is corrupted: SHA-256', (at: World, path: string) => at.backup.place(path, 'Then')],
  ])('names a version that is %s, leaves what is there, and restores all others', async (_how, reason, harm) => {
    const at = world();
    at.put('one', 'then');
    at.put('two', 'then too');
    const then = await base(at);
    for (const event of [at.put('one', 'now'), at.put('two', 'now')]) await at.keep(event);
    const path = [...at.backup.objects].find(
      ([name, { bytes }]) => name.startsWith('versions/one/') && bytes.toString() === 'then',
    )?.[0];
    harm(at, path ?? '');
    const result = await restore(at, then);
    expect(result).toMatchObject({ overwritten: 1, failed: 1 });
    expect(result.failures[0]?.key).toBe('one');
    expect(result.failures[0]?.reason).toContain(reason);
    expect(contents(at.media)).toEqual({ one: 'now', two: 'then too' });
  });

  it('names a version that was overwritten before its event came', async () => {
    const at = world();
    await base(at);
    const first = at.put('one', 'first');
    const seen = Date.now();
    const second = at.put('one', 'second');
    await at.keep(second);
    await at.keep(first);
    expect((await restore(at, seen)).failures).toEqual([
      { key: 'one', reason: 'this version was overwritten or deleted before it could be kept' },
    ]);
    expect(contents(at.media)).toEqual({ one: 'second' });
  });

  it('refuses a moment before the first backup, and says when that was', async () => {
    const at = world();
    at.put('one', '1');
    const before = Date.now();
    await expect(restore(at, before)).rejects.toThrow('there is no backup in r2:backup yet');
    await base(at);
    const refused = restore(at, before);
    await expect(refused).rejects.toThrow(TimeNotKept);
    await expect(refused).rejects.toThrow(
      'the first backup in r2:backup is of 2026-06-01T00:00:03.000Z: nothing before that can be restored',
    );
  });

  it('stops at a log that cannot be read, and names the object', async () => {
    const at = world();
    at.put('one', '1');
    const then = await base(at);
    at.backup.place('log/2026-06-02/x.jsonl', '{"op":"put"}\n');
    await expect(restore(at, then)).rejects.toThrow('log/2026-06-02/x.jsonl holds a line that cannot be read');
  });
});

describe('keeping versions', () => {
  it('does nothing for an event that came before', async () => {
    const at = world();
    await base(at);
    const event = at.put('one', '1');
    await at.keep(event);
    const before = contents(at.backup);
    at.media.place('one', 'another');
    await at.keep(event);
    expect(contents(at.backup)).toEqual(before);
  });

  it('copies nothing again for a base that is made anew', async () => {
    const at = world();
    at.put('one', '1');
    at.put('two', '2');
    const make = () => makeBase({ media: at.media, backup: at.backup, signal }, 4);
    expect(await make()).toMatchObject({ objects: 2, copied: 2 });
    await at.keep(at.put('two', 'two'));
    expect(await make()).toMatchObject({ objects: 2, copied: 0 });
  });

  it('keeps nothing of an object that changes while it is read', async () => {
    const at = world();
    at.put('one', 'first');
    const { etag } = at.media.objects.get('one') ?? { etag: '' };
    at.media.onGet = () => {
      at.media.place('one', 'again', { etag: 'not-an-md5' });
      return null;
    };
    at.media.place('one', 'first', { etag: 'composite-2' });
    expect(
      await keepObject(at.media, at.backup, { key: 'one', etag: 'composite-2', at: new Date().toISOString() }, signal),
    ).toBeNull();
    expect(
      await keepObject(at.media, at.backup, { key: 'one', etag, at: new Date().toISOString() }, signal),
    ).toBeNull();
    expect([...at.backup.objects.keys()]).toEqual([]);
  });
});

describe('sorting on disk', () => {
  it('gives the order of a sort in memory, whatever fits into memory at once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.string(), fc.nat(5))),
        fc.integer({ min: 1, max: 10 }),
        async (items, size) => {
          const compare = ([a]: [string, number], [b]: [string, number]): number => (a < b ? -1 : a > b ? 1 : 0);
          const read = (line: string): [string, number] => {
            const [text, n]: unknown[] = JSON.parse(line);
            return [String(text), Number(n)];
          };
          const source = (async function* () {
            yield* items;
          })();
          const sorted: [string, number][] = [];
          for await (const item of sortedOnDisk(source, compare, read, size)) sorted.push(item);
          expect(sorted).toEqual(items.toSorted(compare));
        },
      ),
      { numRuns: 25 },
    );
  });

  it('merges many runs into one order', async () => {
    const count = 20_000;
    const source = (async function* () {
      for (let n = 0; n < count; n++) yield createHash('md5').update(String(n)).digest('hex');
    })();
    let [last, seen] = ['', 0];
    for await (const item of sortedOnDisk(
      source,
      (a, b) => (a < b ? -1 : 1),
      (line) => String(JSON.parse(line)),
      500,
    )) {
      if (item < last) throw new Error(`${item} after ${last}`);
      [last, seen] = [item, seen + 1];
    }
    expect(seen).toBe(count);
  }, 30_000);
});
