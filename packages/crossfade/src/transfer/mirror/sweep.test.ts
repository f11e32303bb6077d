import { describe, expect, it, onTestFinished } from 'vitest';
import { memoryMirror, type MemoryMirror } from './fixtures/memory-mirror.ts';

async function production(copied: Record<string, string> = {}): Promise<MemoryMirror> {
  const world = await memoryMirror(copied);
  onTestFinished(() => world.close());
  return world;
}
const ALL = { settledBefore: null };

describe('a sweep', () => {
  it('finds the creates, overwrites and deletes whose events were lost', async () => {
    const world = await production({ old: 'copied', doomed: 'copied too', 'ё same': 'same' });
    const mirror = await world.open();
    world.put('new', 'uploaded');
    world.put('old', 'overwritten');
    world.remove('doomed');
    const swept = await mirror.sweep(ALL);
    expect(swept).toMatchObject({ keys: 4, copied: 2, deleted: 1, kept: [], unproven: [], failed: [] });
    expect([...world.legacy.objects.keys()].toSorted()).toEqual(['new', 'old', 'ё same']);
    expect(await mirror.sweep(ALL)).toMatchObject({ copied: 0, deleted: 0 });
  });

  it('deletes what the mirror itself had written, since that was in R2', async () => {
    const world = await production();
    const mirror = await world.open();
    world.put('short-lived', 'uploaded');
    await mirror.sweep(ALL);
    world.remove('short-lived');
    expect(await mirror.sweep(ALL)).toMatchObject({ deleted: 1 });
    expect([...world.legacy.objects.keys()]).toEqual([]);
  });

  it('lists a delete that nothing proves, and leaves the object where it is', async () => {
    const world = await production();
    const mirror = await world.open();
    world.legacy.place('never in R2', 'uploaded to legacy');
    expect(await mirror.sweep(ALL)).toMatchObject({ deleted: 0, unproven: ['never in R2'] });
    expect(world.bytesIn(world.legacy, 'never in R2')).toBe('uploaded to legacy');
    expect(mirror.state().unproven).toBe(1);
  });

  it('takes the loss of many objects at once for a loss, not for deletes', async () => {
    const copied = Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`k${at}`, 'copied']));
    const world = await production(copied);
    const mirror = await world.open();
    for (const key of world.copied) world.r2.objects.delete(key);
    const swept = await mirror.sweep(ALL);
    expect(swept.deleted).toBe(0);
    expect(swept.unproven).toHaveLength(30);
    expect(world.legacy.objects.size).toBe(30);
  });

  it('deletes as many as events have said, in this life or in one before', async () => {
    const copied = Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`k${at}`, 'copied']));
    const world = await production(copied);
    const { delete: remove } = world.legacy;
    world.legacy.delete = () => Promise.reject(new Error('legacy is away'));
    for (const key of world.copied) world.queue.send(world.remove(key));
    expect((await (await world.open()).applyBatch()).failed).toHaveLength(30);
    world.legacy.delete = remove;
    expect(await (await world.open()).sweep(ALL)).toMatchObject({ deleted: 30, unproven: [] });
    expect(world.legacy.objects.size).toBe(0);
  });

  it('does not bring back what legacy itself has deleted since it was copied', async () => {
    const world = await production({ a: 'copied' });
    const mirror = await world.open();
    await world.legacy.delete('a');
    expect(await mirror.sweep(ALL)).toMatchObject({ copied: 0, kept: ['a'] });
    expect(world.legacy.objects.size).toBe(0);
  });

  it('does not bring back what was deleted while the Worker carried it over, although R2 has it since the switch', async () => {
    const world = await production();
    const mirror = await world.open();
    world.carryOver('a', 'read from legacy');
    expect(await mirror.sweep(ALL)).toMatchObject({ copied: 0, kept: ['a'] });
    expect(world.legacy.objects.size).toBe(0);
  });

  it('never overwrites an original by its copy', async () => {
    const world = await production({ a: 'copied' });
    const mirror = await world.open();
    const copy = world.r2.objects.get('a');
    if (copy !== undefined) world.r2.place('a', 'spoilt', { lastModified: copy.lastModified });
    expect(await mirror.sweep(ALL)).toMatchObject({ copied: 0, kept: ['a'] });
    expect(world.bytesIn(world.legacy, 'a')).toBe('copied');
  });

  it('names what legacy did not take, and brings all else', async () => {
    const world = await production();
    const mirror = await world.open();
    world.put('refused', 'x');
    world.put('taken', 'x');
    const { put } = world.legacy;
    world.legacy.put = (key, ...rest) => (key === 'refused' ? Promise.reject(new Error('quota')) : put(key, ...rest));
    expect(await mirror.sweep(ALL)).toMatchObject({ copied: 1, failed: [{ key: 'refused', reason: 'quota' }] });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(mirror.state().lagSeconds).toBeGreaterThan(0);
  });

  it('does not read again what it has compared, where ETags say nothing', async () => {
    const world = await production();
    const mirror = await world.open();
    world.r2.place('large', 'bytes', { etag: `${'a'.repeat(32)}-2` });
    world.legacy.place('large', 'bytes', { etag: `${'b'.repeat(32)}-3` });
    let read = 0;
    world.legacy.onGet = () => {
      read++;
      return null;
    };
    await mirror.sweep(ALL);
    expect(read).toBe(1);
    await mirror.sweep({ settledBefore: Date.now() + 1e12 });
    expect(read).toBe(1);
  });
});
