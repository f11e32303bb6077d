import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { memoryMirror, type MemoryMirror } from './fixtures/memory-mirror.ts';

const KEYS = ['a', 'b', 'c/ё'];
const key = fc.constantFrom(...KEYS);
/** What becomes of an event on its way. */
const fate = fc.constantFrom('comes', 'comes', 'comes twice', 'is lost');
const command = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('put' as const), key, fate }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), key, fate }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('upload to legacy' as const), key }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('apply' as const), shuffle: fc.nat(), acked: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('sweep' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
);
type Command = typeof command extends fc.Arbitrary<infer One> ? One : never;

/** The last word on each key: of R2 and of legacy itself. */
interface Last {
  r2: { at: number; bytes: string | null; told: boolean } | null;
  direct: { at: number; bytes: string } | null;
}

async function play(world: MemoryMirror, commands: readonly Command[]): Promise<Map<string, Last>> {
  let mirror = await world.open();
  const last = new Map<string, Last>(KEYS.map((one) => [one, { r2: null, direct: null }]));
  for (const [at, one] of commands.entries()) {
    switch (one.do) {
      case 'put':
      case 'delete': {
        const event = one.do === 'put' ? world.put(one.key, `R2 ${at}`) : world.remove(one.key);
        if (one.fate !== 'is lost') world.queue.send(event);
        if (one.fate === 'comes twice') world.queue.send(event);
        const state = last.get(one.key);
        if (state !== undefined) {
          state.r2 = { at, bytes: one.do === 'put' ? `R2 ${at}` : null, told: one.fate !== 'is lost' };
        }
        break;
      }
      case 'upload to legacy': {
        world.legacy.place(one.key, `legacy ${at}`);
        const state = last.get(one.key);
        if (state !== undefined) state.direct = { at, bytes: `legacy ${at}` };
        break;
      }
      case 'apply': {
        // Out of order: the queue promises none.
        const by = (id: string): number => (Number(id.slice(1)) * 7919 + one.shuffle) % 13;
        world.queue.waiting.sort((a, b) => by(a.id) - by(b.id));
        if (!one.acked) world.queue.failures.ack.push(new Error('lost'));
        await mirror.applyBatch().catch(() => null);
        world.queue.failures.ack.length = 0;
        break;
      }
      case 'sweep':
        await mirror.sweep({ settledBefore: null });
        break;
      case 'restart':
        mirror = await world.open();
        break;
    }
  }
  await mirror.drain(0);
  return last;
}

it('whatever is lost, doubled, late or out of order: after the sweep legacy holds what R2 holds, or its own newer upload', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 25 }), async (commands) => {
      const world = await memoryMirror({ a: 'copied a', b: 'copied b' });
      try {
        const last = await play(world, commands);
        const swept = await (await world.open()).sweep({ settledBefore: null });
        expect(swept.failed).toEqual([]);
        for (const [name, { r2, direct }] of last) {
          const before = world.copied.includes(name) ? `copied ${name}` : null;
          const had = world.bytesIn(world.legacy, name);
          if (direct !== null && direct.at > (r2?.at ?? -1)) expect(had, name).toBe(direct.bytes);
          else if (r2 === null) expect(had, name).toBe(before);
          else if (r2.bytes !== null || r2.told) expect(had, name).toBe(r2.bytes);
          // A delete without an event is done or named, and never undone: what is left is a direct upload.
          else if (had !== null) {
            expect([...swept.unproven, ...swept.kept], name).toContain(name);
            expect(had, name).toBe(direct?.bytes);
          }
        }
        expect(await (await world.open()).sweep({ settledBefore: null })).toMatchObject({ copied: 0, deleted: 0 });
      } finally {
        await world.close();
      }
    }),
    { numRuns: 200 },
  );
}, 60_000);
