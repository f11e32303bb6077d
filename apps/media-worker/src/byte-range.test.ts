import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRanges } from './byte-range.ts';

describe('a byte range', () => {
  it('always lies inside of the object, and no two overlap', () => {
    const number = fc.integer({ min: 0, max: 5000 });
    const one = fc.tuple(number, number, fc.constantFrom('both', 'first', 'last')).map(([first, last, kind]) => {
      if (kind === 'both') return `${first}-${last}`;
      return kind === 'first' ? `${first}-` : `-${last}`;
    });
    fc.assert(
      fc.property(fc.array(one, { minLength: 1, maxLength: 20 }), fc.integer({ min: 1, max: 3000 }), (parts, size) => {
        try {
          const ranges = parseRanges(`bytes=${parts.join(', ')}`, size) ?? [];
          const sorted = ranges.toSorted((a, b) => a.start - b.start);
          for (const [index, range] of sorted.entries()) {
            expect(range.start).toBeGreaterThanOrEqual(0);
            expect(range.start).toBeLessThanOrEqual(range.end);
            expect(range.end).toBeLessThan(size);
            expect(range.start).toBeGreaterThan(sorted[index - 1]?.end ?? -1);
          }
        } catch (error) {
          expect(error).toMatchObject({ status: 416, headers: { 'content-range': `bytes */${size}` } });
        }
      }),
    );
  });

  // RFC 9110 §14.1.2 and §14.2, with its own examples where it has them.
  it.each([
    ['bytes=0-499', 10_000, [{ start: 0, end: 499 }]],
    ['bytes=500-999', 10_000, [{ start: 500, end: 999 }]],
    ['bytes=-500', 10_000, [{ start: 9500, end: 9999 }]],
    ['bytes=9500-', 10_000, [{ start: 9500, end: 9999 }]],
    ['bytes=9500-99999', 10_000, [{ start: 9500, end: 9999 }]],
    ['bytes=-99999', 10_000, [{ start: 0, end: 9999 }]],
    ['Bytes=0-0', 10_000, [{ start: 0, end: 0 }]],
    [
      'bytes=0-0,-1',
      10_000,
      [
        { start: 0, end: 0 },
        { start: 9999, end: 9999 },
      ],
    ],
    [
      'bytes= 0-999, 4500-5499, -1000',
      10_000,
      [
        { start: 0, end: 999 },
        { start: 4500, end: 5499 },
        { start: 9000, end: 9999 },
      ],
    ],
    ['bytes=0-9, 20000-', 10_000, [{ start: 0, end: 9 }]],
    [
      'bytes=500-600,601-999',
      10_000,
      [
        { start: 500, end: 600 },
        { start: 601, end: 999 },
      ],
    ],
    ['bytes=500-700,601-999', 10_000, null],
    [`bytes=${Array.from({ length: 17 }, (_, index) => `${index * 2}-${index * 2}`).join(',')}`, 10_000, null],
    ['bytes=5-2', 10_000, null],
    ['bytes=a-b', 10_000, null],
    ['bytes=', 10_000, null],
    ['items=0-1', 10_000, null],
    [undefined, 10_000, null],
  ])('%s of %i bytes', (header, size, expected) => {
    expect(parseRanges(header, size)).toEqual(expected);
  });
});
