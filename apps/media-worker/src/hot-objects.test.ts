import { describe, expect, it } from 'vitest';
import { createHotObjects } from './hot-objects.ts';

const of = (size: number, etag = 'one'): { etag: string; bytes: Uint8Array } => ({ etag, bytes: new Uint8Array(size) });

describe('objects that are read again and again', () => {
  it('are worth keeping at the second read of the same version', () => {
    const hot = createHotObjects();
    expect([
      hot.worthKeeping('a', 'one', 10),
      hot.worthKeeping('a', 'two', 10),
      hot.worthKeeping('a', 'two', 10),
      hot.worthKeeping('a', 'two', 10),
    ]).toEqual([false, false, true, false]);
  });

  it('are not worth keeping when they are empty or above 1 MiB', () => {
    const hot = createHotObjects();
    for (const size of [0, 1024 * 1024 + 1])
      expect([hot.worthKeeping('a', 'one', size), hot.worthKeeping('a', 'one', size)]).toEqual([false, false]);
  });

  it('make room for each other, the one that was not used for longest first', () => {
    const hot = createHotObjects(30);
    for (const key of ['a', 'b', 'c']) hot.keep(key, of(10));
    hot.get('a');
    hot.keep('d', of(10));
    expect(['a', 'b', 'c', 'd'].map((key) => hot.get(key) !== null)).toEqual([true, false, true, true]);
  });

  it('take their own place again when they changed', () => {
    const hot = createHotObjects(30);
    hot.keep('a', of(20));
    hot.keep('a', of(25, 'two'));
    hot.keep('b', of(5));
    expect([hot.get('a')?.etag, hot.get('b')?.etag]).toEqual(['two', 'one']);
    hot.forget('a');
    expect(hot.get('a')).toBeNull();
  });

  it('forget what was read once when too many were', () => {
    const hot = createHotObjects();
    hot.worthKeeping('first', 'one', 10);
    for (let n = 0; n < 1000; n++) hot.worthKeeping(String(n), 'one', 10);
    expect([hot.worthKeeping('first', 'one', 10), hot.worthKeeping('999', 'one', 10)]).toEqual([false, true]);
  });
});
