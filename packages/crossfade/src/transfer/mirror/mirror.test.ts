import { describe, expect, it, onTestFinished } from 'vitest';
import { memoryMirror, type MemoryMirror } from './fixtures/memory-mirror.ts';

async function production(copied: Record<string, string> = {}): Promise<MemoryMirror> {
  const world = await memoryMirror(copied);
  onTestFinished(() => world.close());
  return world;
}

describe('the mirror', () => {
  it('brings creates, overwrites and deletes to legacy, each acknowledged once legacy shows it', async () => {
    const world = await production({ old: 'copied', doomed: 'copied too' });
    const mirror = await world.open();
    world.queue.send(world.put('new', 'uploaded'));
    world.queue.send(world.put('old', 'overwritten'));
    world.queue.send(world.remove('doomed'));
    const batch = await mirror.applyBatch();
    expect(batch).toMatchObject({ acked: 3, settled: { copied: 2, deleted: 1 }, failed: [] });
    expect(['new', 'old', 'doomed'].map((key) => world.bytesIn(world.legacy, key))).toEqual([
      'uploaded',
      'overwritten',
      null,
    ]);
    expect(world.queue.waiting).toEqual([]);
    expect(mirror.state()).toMatchObject({ lagSeconds: 0, applied: 3, copied: 2, deleted: 1, waiting: 0 });
  });

  it('goes by what R2 holds now: an old event of a key does no harm', async () => {
    const world = await production();
    const mirror = await world.open();
    const first = world.put('a', 'one');
    const gone = world.remove('a');
    const second = world.put('a', 'two');
    for (const event of [second, gone, first, gone]) world.queue.send(event);
    await mirror.drain(0);
    expect(world.bytesIn(world.legacy, 'a')).toBe('two');
  });

  it('takes the overwrite that came while it copied, although its own copy is younger', async () => {
    const world = await production();
    const mirror = await world.open();
    world.queue.send(world.put('a', 'one'));
    world.r2.onGet = () => {
      world.r2.onGet = null;
      // It was read already; its copy will be written after this.
      const body = world.r2.objects.get('a')?.bytes;
      queueMicrotask(() => world.queue.send(world.put('a', 'two')));
      expect(body?.toString()).toBe('one');
      return null;
    };
    await mirror.drain(0);
    expect(world.bytesIn(world.legacy, 'a')).toBe('two');
  });

  it('ends with what the bypass wrote to both stores while it copied, although its own copy came over it', async () => {
    const world = await production();
    const mirror = await world.open();
    world.queue.send(world.put('a', 'one'));
    const { put } = world.legacy;
    const written: (string | null)[] = [];
    world.legacy.put = async (...args) => {
      world.legacy.put = put;
      world.putBoth('a', 'two');
      const answer = await put(...args);
      written.push(world.bytesIn(world.legacy, 'a'));
      return answer;
    };
    await mirror.drain(0);
    expect(written).toEqual(['one']);
    expect(world.bytesIn(world.legacy, 'a')).toBe('two');
  });

  it('leaves deleted in legacy what the bypass wrote to both, also when the event of a version before comes alone', async () => {
    const world = await production();
    const mirror = await world.open({ settled: { before: 0, since: new Map() } });
    const first = world.putBoth('a', 'one');
    const second = world.putBoth('a', 'two');
    world.legacy.objects.delete('a');
    for (const event of [first, second]) {
      world.queue.send(event);
      expect((await mirror.applyBatch()).settled.kept).toBe(1);
    }
    expect(world.bytesIn(world.legacy, 'a')).toBeNull();
  });

  it('takes back what it copied when the object was deleted meanwhile, without waiting for the event', async () => {
    const world = await production();
    const mirror = await world.open();
    world.queue.send(world.put('a', 'one'));
    world.r2.onGet = () => {
      world.r2.onGet = null;
      queueMicrotask(() => void world.remove('a'));
      return null;
    };
    await mirror.drain(0);
    expect(world.bytesIn(world.legacy, 'a')).toBeNull();
  });

  it('takes an overwrite from before its own copy in another life, which died between the two', async () => {
    const world = await production();
    world.put('a', 'one');
    const { put } = world.legacy;
    world.legacy.put = async (...args) => {
      const overwrite = world.put('a', 'two');
      await put(...args);
      world.queue.send(overwrite);
      world.legacy.put = put;
      throw new Error('killed here');
    };
    const killed = await world.open();
    expect((await killed.sweep({ settledBefore: null })).failed).toEqual([{ key: 'a', reason: 'killed here' }]);
    expect(world.bytesIn(world.legacy, 'a')).toBe('one');
    await (await world.open()).drain(0);
    expect(world.bytesIn(world.legacy, 'a')).toBe('two');
  });

  it('leaves a newer direct upload to legacy alone, whatever the event says', async () => {
    const world = await production({ a: 'copied', b: 'copied' });
    const mirror = await world.open();
    world.queue.send(world.put('a', 'in R2'));
    world.queue.send(world.remove('b'));
    world.legacy.place('a', 'newer in legacy');
    world.legacy.place('b', 'newer in legacy');
    expect((await mirror.applyBatch()).settled.kept).toBe(2);
    expect(['a', 'b'].map((key) => world.bytesIn(world.legacy, key))).toEqual(['newer in legacy', 'newer in legacy']);
  });

  it('does not believe a HEAD alone that an object is gone', async () => {
    const world = await production({ a: 'copied' });
    const mirror = await world.open();
    const event = world.remove('a');
    world.put('a', 'there');
    const { head } = world.r2;
    world.r2.head = async () => null;
    world.queue.send(event);
    const { failed } = await mirror.applyBatch();
    expect(failed[0]?.reason).toContain('changed 6 times');
    expect(world.bytesIn(world.legacy, 'a')).toBe('copied');
    world.r2.head = head;
    await mirror.drain(0);
    expect(world.bytesIn(world.legacy, 'a')).toBe('there');
  });

  it('keeps an event whose effect legacy does not show, and tells its age as the lag', async () => {
    const world = await production();
    const mirror = await world.open();
    const { put } = world.legacy;
    world.legacy.put = async (key, _body, size, meta) => put(key, Buffer.alloc(size, 'x'), size, meta);
    world.queue.send(world.put('a', 'uploaded'));
    const [message] = world.queue.waiting;
    if (message !== undefined) world.queue.waiting[0] = { ...message, at: Date.now() - 90_000 };
    const batch = await mirror.applyBatch();
    expect(batch.acked).toBe(0);
    expect(batch.failed[0]?.reason).toContain('MD5');
    expect(world.queue.waiting).toHaveLength(1);
    expect(mirror.state().lagSeconds).toBeGreaterThanOrEqual(90);
    expect(mirror.state().failing).toMatchObject([{ key: 'a' }]);
    world.legacy.put = put;
    await mirror.drain(0);
    expect(mirror.state()).toMatchObject({ lagSeconds: 0, failing: [] });
  });

  it('reads back what it wrote: a store that answers with the right ETag and holds other bytes is found out', async () => {
    const world = await production();
    const mirror = await world.open();
    const { put } = world.legacy;
    world.legacy.put = async (key, body, size, meta) => {
      const { etag } = await put(key, body, size, meta);
      world.legacy.place(key, 'x'.repeat(size), { etag });
      return { etag };
    };
    world.queue.send(world.put('a', 'uploaded'));
    expect((await mirror.applyBatch()).failed[0]?.reason).toContain('holds other bytes of a');
  });

  it('keeps what is no event, says what is wrong with it, and goes on', async () => {
    const world = await production();
    const mirror = await world.open();
    world.queue.send('no json');
    world.queue.send({ id: 'x', type: 'renamed', key: 'a', size: null, etag: null, at: 'yesterday' });
    world.queue.send(world.put('a', 'uploaded'));
    await mirror.drain(0);
    expect(world.malformed).toEqual(['the body is no JSON: no json', expect.stringMatching(/^type: .*renamed/)]);
    expect(world.bytesIn(world.legacy, 'a')).toBe('uploaded');
    expect(mirror.state()).toMatchObject({ malformed: 2, applied: 1, waiting: 0 });
  });

  it('awaits who keeps versions before it acknowledges, and does not when that fails', async () => {
    const world = await production();
    const told: string[] = [];
    const mirror = await world.open({
      onEvent: async ({ key, type }) => {
        if (told.length === 0) {
          told.push('refused');
          throw new Error('the backup is full');
        }
        expect(world.queue.waiting).toHaveLength(1);
        told.push(`${type} ${key}`);
      },
    });
    world.queue.send(world.put('a', 'uploaded'));
    expect((await mirror.applyBatch()).failed[0]?.reason).toBe('the backup is full');
    await mirror.drain(0);
    expect(told).toEqual(['refused', 'put a']);
  });

  it('tells as its lag how long the queue has not answered, and throws only to who drains', async () => {
    const world = await production();
    const mirror = await world.open();
    world.queue.failures.pull.push(new Error('503'));
    await expect(mirror.applyBatch()).rejects.toThrow('503');
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(mirror.state()).toMatchObject({ error: '503' });
    expect(mirror.state().lagSeconds).toBeGreaterThan(0);
    await mirror.applyBatch();
    expect(mirror.state()).toMatchObject({ error: null, lagSeconds: 0 });
    world.queue.failures.pull.push(...['1', '2', '3'].map((text) => new Error(text)));
    await expect(mirror.drain(0)).rejects.toThrow('3');
  });
});
