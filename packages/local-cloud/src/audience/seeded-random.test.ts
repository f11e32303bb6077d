import { expect, it } from 'vitest';
import { bytesFrom, pick, randomOf, uuidFrom } from './seeded-random.ts';

const some = (seed: number, ...path: number[]) => {
  const random = randomOf(seed, ...path);
  return Array.from({ length: 1000 }, random);
};

it('chooses alike for the same seed, and otherwise for another seed or path', () => {
  expect(some(1, 2)).toEqual(some(1, 2));
  const streams = [some(1, 2), some(2, 2), some(1, 3), some(1, 2, 0)].map((numbers) => numbers.slice(0, 3).join());
  expect(new Set(streams).size).toBe(4);
});

it('spreads evenly from 0 up to 1', () => {
  for (let seed = 0; seed < 20; seed++) {
    const numbers = some(seed);
    expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...numbers)).toBeLessThan(1);
    const mean = numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
    expect(mean).toBeGreaterThan(0.45);
    expect(mean).toBeLessThan(0.55);
  }
});

it('makes bytes of the size asked for, names that differ, and picks nothing from nothing', () => {
  const random = randomOf(7);
  expect(bytesFrom(random, 5)).toHaveLength(5);
  expect(uuidFrom(random)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(new Set(Array.from({ length: 2000 }, (_, index) => uuidFrom(randomOf(7, index)))).size).toBe(2000);
  expect(pick([], random)).toBeUndefined();
});
