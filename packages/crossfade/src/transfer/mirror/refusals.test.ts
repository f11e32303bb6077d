import { describe, expect, it, onTestFinished } from 'vitest';
import { metaOf, UnsendableHeader } from '../../providers/object-meta.ts';
import { ProviderError } from '../../providers/provider-error.ts';
import { memoryMirror, type MemoryMirror } from './fixtures/memory-mirror.ts';
import type { MirrorOptions } from './mirror.ts';
import type { Refusal } from './refusals.ts';

const ALL = { settledBefore: null };

/** Production, and how often legacy was asked to take something. */
async function production(copied: Record<string, string> = {}) {
  const world = await memoryMirror(copied);
  onTestFinished(() => world.close());
  const told: Refusal[] = [];
  const asked: string[] = [];
  const { put } = world.legacy;
  const open = (more: Partial<MirrorOptions> = {}) =>
    world.open({ onRefused: (refusal) => void told.push(refusal), ...more });
  return {
    ...world,
    told,
    asked,
    open,
    refuse(key: string, status: number, code: string | null) {
      world.legacy.put = async (...args) => {
        asked.push(args[0]);
        if (args[0] !== key) return put(...args);
        throw new ProviderError('legacy', `PUT ${args[0]}`, { status, code, message: 'refused' });
      };
    },
    takeAll: () => void (world.legacy.put = put),
  };
}

async function settledOnce(world: Awaited<ReturnType<typeof production>> & MemoryMirror, reason: RegExp) {
  const mirror = await world.open();
  world.queue.send(world.put('large', 'too large'));
  world.queue.send(world.put('other', 'fits'));
  expect(await mirror.applyBatch()).toMatchObject({ acked: 2, settled: { refused: 1, copied: 1 }, failed: [] });
  for (let sweeps = 0; sweeps < 3; sweeps++)
    expect(await mirror.sweep(ALL)).toMatchObject({ copied: 0, failed: [], refused: [{ key: 'large' }] });
  expect(world.queue.waiting).toEqual([]);
  expect(world.told).toEqual([{ key: 'large', reason: expect.stringMatching(reason) }]);
  expect(mirror.state()).toMatchObject({ lagSeconds: 0, failing: [], refused: [{ key: 'large' }] });
  return mirror;
}

describe('what legacy refuses for what it is', () => {
  it('counts as refused as well when it is a header that no request can carry', async () => {
    const world = await production();
    const { put } = world.legacy;
    world.legacy.put = async (...args) => {
      if (args[0] === 'large') throw new UnsendableHeader('large has the header content-type with "é"');
      return put(...args);
    };
    await settledOnce(world, /content-type/);
  });

  it.each([
    // Seen on supabase/storage 1.11.2: an object above the project's or the bucket's limit, and a type that the bucket does not allow.
    [413, 'EntityTooLarge'],
    [415, 'InvalidMimeType'],
    // S3 API: EntityTooLarge is answered with 400, and a proxy in front of a store says 413 alone.
    [400, 'EntityTooLarge'],
    [413, null],
    [400, 'InvalidKey'],
    [400, 'KeyTooLongError'],
    [400, 'MetadataTooLarge'],
  ])('is settled by name at once when the answer is %s %s, and legacy is not asked again', async (status, code) => {
    const world = await production();
    world.refuse('large', status, code);
    await settledOnce(world, /refused/);
    expect(world.asked.filter((key) => key === 'large')).toHaveLength(1);
  });

  it('is settled without a call where the store cannot hold the key: its HEAD answers with an error, not "not there"', async () => {
    const world = await production();
    const { head } = world.legacy;
    world.legacy.refuses = (key) => (key === 'large' ? 'no such key' : null);
    // Seen on supabase/storage 1.11.2: HEAD of a key that it does not take is a 400 without a body.
    world.legacy.head = async (key) => {
      if (key === 'large') throw new ProviderError('legacy', 'HEAD', { status: 400, message: 'no reason given' });
      return head(key);
    };
    const mirror = await settledOnce(world, /no such key/);
    world.queue.send(world.remove('large'));
    expect(await mirror.applyBatch()).toMatchObject({ acked: 1, settled: { 'in step': 1 }, failed: [] });
    expect(mirror.state().refused).toEqual([]);
  });

  it.each([
    [403, 'AccessDenied'],
    [429, 'SlowDown'],
    [500, null],
    [400, null],
  ])('is nothing that passes: %s %s is tried again', async (status, code) => {
    const world = await production();
    world.refuse('large', status, code);
    const mirror = await world.open();
    world.queue.send(world.put('large', 'fits'));
    expect(await mirror.applyBatch()).toMatchObject({ acked: 0, failed: [{ key: 'large' }], settled: { refused: 0 } });
    world.takeAll();
    await mirror.drain(0);
    expect(world.bytesIn(world.legacy, 'large')).toBe('fits');
  });

  it('is forgotten when R2 holds a version that legacy takes, or none, with or without an event', async () => {
    const world = await production({ large: 'copied' });
    world.refuse('large', 413, null);
    const mirror = await world.open();
    world.queue.send(world.put('large', 'too large'));
    await mirror.applyBatch();
    // What legacy had before stays: it is the best that a rollback can serve.
    expect(world.bytesIn(world.legacy, 'large')).toBe('copied');
    world.takeAll();
    world.queue.send(world.put('large', 'fits'));
    await mirror.applyBatch();
    expect(mirror.state().refused).toEqual([]);
    expect(world.bytesIn(world.legacy, 'large')).toBe('fits');
    world.refuse('new', 413, null);
    world.put('new', 'too large');
    expect((await mirror.sweep(ALL)).refused).toEqual([{ key: 'new', reason: expect.stringContaining('413') }]);
    world.remove('new');
    expect((await mirror.sweep(ALL)).refused).toEqual([]);
  });

  it('is tried once more by whoever opens the mirror anew, since the limits may have been raised', async () => {
    const world = await production();
    world.refuse('large', 413, null);
    await (await world.open()).sweep(ALL);
    world.put('large', 'too large');
    expect((await (await world.open()).sweep(ALL)).refused).toHaveLength(1);
    world.takeAll();
    expect(await (await world.open()).sweep(ALL)).toMatchObject({ refused: [], copied: 1 });
  });
});

describe('metadata on its way back', () => {
  it('that was put anew over the same bytes is put in legacy too, once', async () => {
    const world = await production();
    world.refuse('none', 413, null);
    const mirror = await world.open();
    const first = world.put('a', 'bytes');
    world.queue.send(first);
    await mirror.applyBatch();
    const again = world.put('a', 'bytes');
    world.r2.place('a', 'bytes', { meta: metaOf({ contentType: 'audio/mpeg', contentLanguage: 'de' }) });
    world.queue.send(again);
    expect(await mirror.applyBatch()).toMatchObject({ settled: { copied: 1 } });
    expect((await world.legacy.head('a'))?.meta).toMatchObject({ contentType: 'audio/mpeg', contentLanguage: 'de' });
    world.queue.send(again);
    expect(await mirror.applyBatch()).toMatchObject({ settled: { 'in step': 1 } });
    expect(world.asked).toEqual(['a', 'a']);
  });

  it('that legacy does not keep is named once, by its header, and is not sent again and again', async () => {
    const world = await production();
    const dropped: string[] = [];
    const mirror = await world.open({ onDropped: (header, key) => void dropped.push(`${header} of ${key}`) });
    const { put } = world.legacy;
    let puts = 0;
    // Seen on Supabase Storage: a PUT over S3 keeps no Content-Disposition, and has a Cache-Control where none came.
    world.legacy.put = async (key, body, size, meta) => {
      puts++;
      return put(key, body, size, { ...meta, contentDisposition: null, cacheControl: 'no-cache' });
    };
    for (const key of ['a', 'b']) {
      const event = world.put(key, 'bytes');
      world.r2.place(key, 'bytes', { meta: metaOf({ contentDisposition: 'attachment' }) });
      world.queue.send(event);
      expect(await mirror.applyBatch()).toMatchObject({ settled: { copied: 1 }, failed: [] });
    }
    expect(dropped).toEqual(['content-disposition of a']);
    expect(puts).toBe(2);
  });
});
