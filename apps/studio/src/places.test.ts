import { expect, it } from 'vitest';
import { createPlaces } from './places.ts';

it('places are given in the order of asking, and back once', async () => {
  const take = createPlaces(1);
  const { signal } = new AbortController();
  const order: string[] = [];
  const leave = await take(signal);
  const gone = new AbortController();
  const waiting = ['first', 'given up', 'second'].map((name) =>
    take(name === 'given up' ? gone.signal : signal).then(
      (free) => {
        order.push(name);
        free();
        free();
      },
      () => order.push(`${name}!`),
    ),
  );
  gone.abort();
  leave();
  leave();
  await Promise.all(waiting);
  expect(order.toSorted()).toEqual(['first', 'given up!', 'second']);
  expect(order.indexOf('first')).toBeLessThan(order.indexOf('second'));
  // Given back twice, the place is still one.
  const again = await take(signal);
  const blocked = take(AbortSignal.abort()).catch(() => 'blocked');
  expect(await blocked).toBe('blocked');
  again();
});
