import { describe, expect, it } from 'vitest';
import { carryDeletes } from './carry-deletes.ts';
import { memoryStore } from './fixtures/memory-store.ts';

const { signal } = new AbortController();
/** Two stores with the same objects, all of them copied; `others` are in the target only, and nobody copied them. */
function copied(count: number, others: readonly string[] = []) {
  const [from, to] = [memoryStore('legacy'), memoryStore('r2')];
  const keys = Array.from({ length: count }, (_, index) => `uploads/${index}.wav`);
  for (const key of keys) for (const store of [from, to]) store.place(key, key);
  for (const key of others) to.place(key, key);
  const wereCopied = async (asked: ReadonlySet<string>) => new Set(keys.filter((key) => asked.has(key)));
  return { from, to, carry: () => carryDeletes({ from, to, signal, wereCopied }) };
}

describe('deletes since the copy', () => {
  it('are carried over to the target, and a second time there is nothing to do', async () => {
    const { from, to, carry } = copied(5);
    await from.delete('uploads/3.wav');
    expect(await carry()).toEqual({ deleted: ['uploads/3.wav'], foreign: 0, failed: [], suspicious: [] });
    expect([...to.objects.keys()]).toEqual([...from.objects.keys()]);
    expect(await carry()).toEqual({ deleted: [], foreign: 0, failed: [], suspicious: [] });
  });

  it('leave alone what is in the target only and never was copied', async () => {
    const { from, to, carry } = copied(5, ['backup/notes.txt']);
    await from.delete('uploads/3.wav');
    expect(await carry()).toEqual({ deleted: ['uploads/3.wav'], foreign: 1, failed: [], suspicious: [] });
    expect(to.objects.has('backup/notes.txt')).toBe(true);
  });

  it('are not believed when more have gone than users delete: the source may have lost them', async () => {
    const { from, to, carry } = copied(200);
    for (let index = 0; index < 21; index++) await from.delete(`uploads/${index}.wav`);
    const { deleted, suspicious } = await carry();
    expect([deleted.length, suspicious.length, to.objects.size]).toEqual([0, 21, 200]);
  });

  it('are not believed when the object is there after all: the listing had aged', async () => {
    const { from, to, carry } = copied(5);
    const whole = from.list.bind(from);
    from.list = async function* (...asked) {
      for await (const one of whole(...asked)) if (one.key !== 'uploads/3.wav') yield one;
    };
    expect(await carry()).toMatchObject({ deleted: [] });
    expect(to.objects.has('uploads/3.wav')).toBe(true);
  });

  it('go on where one object cannot be asked for or deleted, and name it', async () => {
    const { from, to, carry } = copied(6);
    for (const index of [1, 2, 3]) await from.delete(`uploads/${index}.wav`);
    const { head } = from;
    from.head = async (key) => {
      if (key === 'uploads/1.wav') throw new Error('403 AccessDenied');
      return head(key);
    };
    const remove = to.delete.bind(to);
    to.delete = async (key) => {
      if (key === 'uploads/2.wav') throw new Error('409 ObjectLocked');
      return remove(key);
    };
    expect(await carry()).toEqual({
      deleted: ['uploads/3.wav'],
      foreign: 0,
      failed: [
        { key: 'uploads/1.wav', reason: '403 AccessDenied' },
        { key: 'uploads/2.wav', reason: '409 ObjectLocked' },
      ],
      suspicious: [],
    });
    expect(to.objects.has('uploads/1.wav')).toBe(true);
  });
});
