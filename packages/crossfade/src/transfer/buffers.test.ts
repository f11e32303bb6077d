import { describe, expect, it } from 'vitest';
import { createBuffers } from './buffers.ts';

const MIB = 1024 * 1024;

/** Whether it resolves without anything else happening. */
async function isThere(promise: Promise<unknown>): Promise<boolean> {
  return Promise.race([promise.then(() => true), new Promise<false>((done) => setImmediate(() => done(false)))]);
}

describe('buffers out of a bounded memory', () => {
  it('are of the size that was asked for, and lent at once while there is room', async () => {
    const buffers = createBuffers(8 * MIB);
    const [small, large] = await Promise.all([buffers.borrow(10), buffers.borrow(3 * MIB)]);
    expect([small.byteLength, large.byteLength]).toEqual([10, 3 * MIB]);
  });

  it('are waited for when there is none, and go to who asked first', async () => {
    const buffers = createBuffers(8 * MIB);
    const first = await buffers.borrow(8 * MIB);
    const second = buffers.borrow(4 * MIB);
    // There would be room for it, but another one has waited for longer.
    const third = buffers.borrow(1);
    expect([await isThere(second), await isThere(third)]).toEqual([false, false]);
    buffers.giveBack(first, true);
    expect([await isThere(second), await isThere(third)]).toEqual([true, true]);
  });

  it('keep one that needs more room from being overtaken without end', async () => {
    const buffers = createBuffers(8 * MIB);
    const [one, two] = [await buffers.borrow(4 * MIB), await buffers.borrow(4 * MIB)];
    const whole = buffers.borrow(8 * MIB);
    buffers.giveBack(one, true);
    const late = buffers.borrow(4 * MIB);
    expect([await isThere(whole), await isThere(late)]).toEqual([false, false]);
    buffers.giveBack(two, true);
    expect([await isThere(whole), await isThere(late)]).toEqual([true, false]);
  });

  it('larger than the whole wait for the whole', async () => {
    const buffers = createBuffers(2 * MIB);
    const small = await buffers.borrow(MIB);
    const large = buffers.borrow(5 * MIB);
    expect(await isThere(large)).toBe(false);
    buffers.giveBack(small, true);
    expect((await large).byteLength).toBe(5 * MIB);
    expect(await isThere(buffers.borrow(1))).toBe(false);
  });

  it('are used again, unless somebody may still read from them', async () => {
    const buffers = createBuffers(8 * MIB);
    const kept = await buffers.borrow(2 * MIB);
    buffers.giveBack(kept, true);
    const again = await buffers.borrow(2 * MIB - 5);
    expect(again.buffer).toBe(kept.buffer);
    buffers.giveBack(again, false);
    expect((await buffers.borrow(2 * MIB)).buffer).not.toBe(kept.buffer);
  });

  it('cannot be given back twice', async () => {
    const buffers = createBuffers(MIB);
    const one = await buffers.borrow(10);
    buffers.giveBack(one, true);
    expect(() => buffers.giveBack(one, true)).toThrow('nobody had borrowed');
  });
});
