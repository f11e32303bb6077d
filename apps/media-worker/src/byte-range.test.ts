import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRange } from './byte-range.ts';

describe('a byte range', () => {
  it('always lies inside of the object', () => {
    const number = fc.integer({ min: 0, max: 5000 });
    fc.assert(
      fc.property(number, number, fc.integer({ min: 1, max: 3000 }), (first, last, size) => {
        for (const header of [`bytes=${first}-${last}`, `bytes=${first}-`, `bytes=-${last}`]) {
          try {
            const range = parseRange(header, size);
            if (range === null) continue;
            expect(range.start).toBeGreaterThanOrEqual(0);
            expect(range.start).toBeLessThanOrEqual(range.end);
            expect(range.end).toBeLessThan(size);
          } catch (error) {
            expect(error).toMatchObject({ status: 416, headers: { 'content-range': `bytes */${size}` } });
          }
        }
      }),
    );
  });

  // RFC 9110 §14.1.2 and §14.2, with its own examples where it has them.
  it.each([
    ['bytes=0-499', 10_000, { start: 0, end: 499 }],
    ['bytes=500-999', 10_000, { start: 500, end: 999 }],
    ['bytes=-500', 10_000, { start: 9500, end: 9999 }],
    ['bytes=9500-', 10_000, { start: 9500, end: 9999 }],
    ['bytes=9500-99999', 10_000, { start: 9500, end: 9999 }],
    ['bytes=-99999', 10_000, { start: 0, end: 9999 }],
    ['Bytes=0-0', 10_000, { start: 0, end: 0 }],
    ['bytes=0-0,-1', 10_000, null],
    ['bytes=5-2', 10_000, null],
    ['bytes=a-b', 10_000, null],
    ['items=0-1', 10_000, null],
    [undefined, 10_000, null],
  ])('%s of %i bytes', (header, size, expected) => {
    expect(parseRange(header, size)).toEqual(expected);
  });
});
