import { pagesOf, type Listing } from '../providers/listing.ts';

/**
 * Runs `work` for each item, at most `atOnce` at a time, and reads the items no faster than that: a listing of any
 * length stays a page in memory. Work that is done at once answers with `undefined` instead of a promise, and costs
 * none. The first error stops the reading, what is under way ends, then it is thrown.
 */
export async function eachAtOnce<Item>(
  items: Listing<Item> | readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<void> | undefined,
): Promise<void> {
  const failures: unknown[] = [];
  const underWay = { count: 0 };
  // Called when one more is done; a race over all that is under way would be made anew for each item.
  let oneLess = (): void => {};
  const follow = async (working: Promise<void>): Promise<void> => {
    underWay.count++;
    try {
      await working;
    } catch (error) {
      failures.push(error);
    } finally {
      underWay.count--;
      oneLess();
    }
  };
  const atMost = async (most: number): Promise<void> => {
    for (; underWay.count > most;) await new Promise<void>((resolve) => (oneLess = resolve));
  };
  const workThrough = async (page: readonly Item[]): Promise<void> => {
    for (const item of page) {
      if (failures.length > 0) return;
      const working = work(item);
      if (working === undefined) continue;
      void follow(working);
      if (underWay.count >= atOnce) await atMost(atOnce - 1);
    }
  };
  try {
    for await (const page of 'length' in items ? [items] : pagesOf(items)) {
      await workThrough(page);
      if (failures.length > 0) break;
    }
  } finally {
    await atMost(0);
  }
  if (failures.length > 0) throw failures[0];
}
