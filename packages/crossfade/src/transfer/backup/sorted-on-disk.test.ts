import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sortedOnDisk } from './sorted-on-disk.ts';

describe('sorting on disk', () => {
  it('gives the order of a sort in memory, whatever fits into memory at once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.string(), fc.nat(5))),
        fc.integer({ min: 1, max: 10 }),
        async (items, size) => {
          const compare = ([a]: [string, number], [b]: [string, number]): number => (a < b ? -1 : a > b ? 1 : 0);
          const read = (line: string): [string, number] => {
            const [text, n]: unknown[] = JSON.parse(line);
            return [String(text), Number(n)];
          };
          const source = (async function* () {
            yield* items;
          })();
          const sorted: [string, number][] = [];
          for await (const item of sortedOnDisk(source, compare, read, size)) sorted.push(item);
          expect(sorted).toEqual(items.toSorted(compare));
        },
      ),
      { numRuns: 25 },
    );
  });

  it('merges many runs into one order', async () => {
    const count = 20_000;
    const source = (async function* () {
      for (let n = 0; n < count; n++) yield createHash('md5').update(String(n)).digest('hex');
    })();
    let [last, seen] = ['', 0];
    for await (const item of sortedOnDisk(
      source,
      (a, b) => (a < b ? -1 : 1),
      (line) => String(JSON.parse(line)),
      500,
    )) {
      if (item < last) throw new Error(`${item} after ${last}`);
      [last, seen] = [item, seen + 1];
    }
    expect(seen).toBe(count);
  }, 30_000);
});
