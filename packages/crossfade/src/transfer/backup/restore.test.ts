import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { backupWorld, base, contents, later, restore, type BackupWorld } from '../fixtures/backup-world.ts';
import { memoryStore, type MemoryStore } from '../fixtures/memory-store.ts';
import { TimeNotKept } from './restore.ts';
import { metaOf } from '../../providers/object-meta.ts';

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
          const at = backupWorld();
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
    const at = backupWorld();
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
    const at = backupWorld();
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
    const at = backupWorld();
    const meta = metaOf({ contentType: 'audio/wav', cacheControl: 'max-age=60', custom: { artist: 'Ada' } });
    at.media.place('one', 'then', {
      meta: { ...meta, custom: { ...meta.custom, 'crossfade-legacy': 'carried-over' } },
    });
    const then = await base(at);
    at.media.place('one', 'now', { meta: metaOf({ contentType: 'text/plain' }) });
    await restore(at, then);
    const restored = at.media.objects.get('one')?.meta;
    expect(restored).toMatchObject(meta);
    expect(restored?.custom).not.toHaveProperty('crossfade-legacy');
  });

  it('names every change in a dry run, with counts, and makes none', async () => {
    const at = backupWorld();
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
    const at = backupWorld();
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
      const at = backupWorld();
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
    ['missing', 'is missing in r2:backup', (at: BackupWorld, path: string) => void at.backup.objects.delete(path)],
    [
      'corrupted by one byte',
      'is corrupted: SHA-256',
      (at: BackupWorld, path: string) => at.backup.place(path, 'Then'),
    ],
  ])('names a version that is %s, leaves what is there, and restores all others', async (_how, reason, harm) => {
    const at = backupWorld();
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
    const at = backupWorld();
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

  it('names an object of which the target holds other bytes than were sent, where its ETag cannot tell', async () => {
    const at = backupWorld();
    at.put('one', 'then');
    const then = await base(at);
    const beside = memoryStore('r2:beside');
    const { place } = beside;
    beside.put = async (name) => {
      place(name, 'Then', { etag: 'composite-2' });
      return { etag: 'composite-2' };
    };
    const { restored, failures } = await restore(at, then, { target: beside, inPlace: false });
    expect([restored, failures]).toEqual([
      0,
      [{ key: 'one', reason: expect.stringContaining('r2:beside holds other bytes than were sent: SHA-256') }],
    ]);
  });

  it.each([
    ['then', { unchanged: 1, overwritten: 0 }],
    ['Then', { unchanged: 0, overwritten: 1 }],
  ])('reads what is there where ETags cannot tell: %j', async (there, expected) => {
    const at = backupWorld();
    at.put('one', 'then');
    const then = await base(at);
    later();
    at.media.place('one', there, { etag: 'composite-2' });
    expect(await restore(at, then)).toMatchObject({ ...expected, failed: 0 });
    expect(contents(at.media)).toEqual({ one: 'then' });
  });

  it('does not overwrite what is written meanwhile, but says to run it again', async () => {
    const at = backupWorld();
    at.put('one', 'then');
    const then = await base(at);
    at.put('one', 'now');
    const { head } = at.media;
    let asked = 0;
    at.media.head = async (name) => {
      if (asked++ === 0) at.put('one', 'meanwhile');
      return head(name);
    };
    expect((await restore(at, then)).failures).toEqual([
      { key: 'one', reason: 'it changed while it was restored: run it again' },
    ]);
    expect(contents(at.media)).toEqual({ one: 'meanwhile' });
    await restore(at, then);
    expect(contents(at.media)).toEqual({ one: 'then' });
  });

  it.each([
    ['lacks a line', (text: string) => text.replace(/[^\n]+\n$/, ''), 'has 1 objects, expected 2'],
    ['is empty', () => '', 'is empty'],
    ['begins otherwise', () => '{"objects":"many"}\n', 'holds a line that cannot be read'],
  ])('changes nothing by a base that %s', async (_how, harm, reason) => {
    const at = backupWorld();
    at.put('one', '1');
    at.put('two', '2');
    const then = await base(at);
    at.put('one', 'now');
    const [path, found] = [...at.backup.objects].find(([name]) => name.startsWith('base/')) ?? [];
    at.backup.place(path ?? '', harm(found?.bytes.toString() ?? ''));
    await expect(restore(at, then)).rejects.toThrow(reason);
    expect(contents(at.media)).toEqual({ one: 'now', two: '2' });
  });

  it('refuses a moment before the first backup, and says when that was', async () => {
    const at = backupWorld();
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
    const at = backupWorld();
    at.put('one', '1');
    const then = await base(at);
    at.backup.place('log/2026-06-02/x.jsonl', '{"op":"put"}\n');
    await expect(restore(at, then)).rejects.toThrow('log/2026-06-02/x.jsonl holds a line that cannot be read');
  });
});
