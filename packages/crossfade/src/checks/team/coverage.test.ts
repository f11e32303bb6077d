import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gapsIn, onCallAt } from './coverage.ts';

const shift = (from: number, until: number, person = 'Ada') => ({ person, from, until });
const span = { from: 100, until: 200 };

describe('gaps', () => {
  it.each([
    ['none when one shift covers all', [shift(0, 300)], []],
    ['none when one ends where the next begins', [shift(150, 200), shift(100, 150)], []],
    ['none when a short shift lies within a long one', [shift(90, 210), shift(110, 120)], []],
    ['all of it without shifts', [], [span]],
    [
      'before, between and after',
      [shift(110, 120), shift(150, 190)],
      [
        [100, 110],
        [120, 150],
        [190, 200],
      ],
    ],
    ['all of it when the shifts lie outside', [shift(0, 100), shift(200, 300)], [span]],
  ])('%s', (_name, shifts, gaps) => {
    expect(gapsIn(shifts, span)).toEqual(
      gaps.map((gap) => (Array.isArray(gap) ? { from: gap[0], until: gap[1] } : gap)),
    );
  });

  it('are exactly the moments when nobody is on call', () => {
    const shifts = fc.array(fc.tuple(fc.integer({ min: 80, max: 220 }), fc.integer({ min: 1, max: 60 })));
    fc.assert(
      fc.property(shifts, (drawn) => {
        const all = drawn.map(([from, length]) => shift(from, from + length));
        const gaps = gapsIn(all, span);
        for (let at = span.from; at < span.until; at++) {
          const inGap = gaps.some(({ from, until }) => from <= at && at < until);
          expect(inGap).toBe(onCallAt(all, at) === null);
        }
      }),
    );
  });
});

describe('who is called', () => {
  it('is the first listed of two, and nobody at the end of a shift', () => {
    expect(onCallAt([shift(0, 10, 'Ada'), shift(5, 20, 'Ben')], 7)).toBe('Ada');
    expect(onCallAt([shift(0, 10)], 10)).toBeNull();
  });
});
