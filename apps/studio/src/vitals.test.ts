import { describe, expect, it } from 'vitest';
import { shiftScore, slowestInteraction } from './vitals.ts';

describe('the layout shift', () => {
  it('is that of the worst stretch, where one shift follows the other within a second', () => {
    const score = shiftScore();
    const at = (startTime: number, value: number, hadRecentInput = false) =>
      score({ startTime, value, hadRecentInput });
    expect([at(100, 0.1), at(900, 0.05), at(5000, 0.02), at(5500, 0.02)].map((one) => one.toFixed(2))).toEqual([
      '0.10',
      '0.15',
      '0.15',
      '0.15',
    ]);
  });

  it('has stretches of at most five seconds', () => {
    const score = shiftScore();
    const sums = Array.from({ length: 9 }, (_, index) =>
      score({ startTime: 1000 + index * 900, value: 0.1, hadRecentInput: false }),
    );
    expect(sums.at(-1)?.toFixed(1)).toBe('0.6');
  });

  it('does not count what the person caused', () => {
    expect(shiftScore()({ startTime: 5, value: 0.4, hadRecentInput: true })).toBe(0);
  });
});

describe('the slowest press', () => {
  it('counts presses and not what no press belongs to', () => {
    const slowest = slowestInteraction();
    expect(slowest({ interactionId: 0, duration: 900 })).toBeNull();
    expect(slowest({ interactionId: 1, duration: 40 })).toBe(40);
    expect(slowest({ interactionId: 1, duration: 64 })).toBe(64);
    expect(slowest({ interactionId: 2, duration: 24 })).toBe(64);
  });

  it('leaves one outlier in fifty out', () => {
    const slowest = slowestInteraction();
    slowest({ interactionId: 1000, duration: 800 });
    const all = Array.from({ length: 60 }, (_, index) =>
      slowest({ interactionId: index + 1, duration: 40 + (index % 8) }),
    );
    expect([all[5], all.at(-1)]).toEqual([800, 47]);
  });
});
