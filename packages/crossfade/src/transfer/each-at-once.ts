import { pagesOf, type Listing } from '../providers/listing.ts';
import type { ObjectStore } from '../providers/providers.ts';
import { createPace, type Begun, type Concurrency } from './pace.ts';

export interface Pacing<Item> {
  /** Whose requests for patience are heard. With it a number is a ceiling only, and fewer may be what serves best. */
  readonly stores?: readonly ObjectStore[];
  /** What the work for an item moves, bytes; 0 when absent. */
  readonly bytesOf?: (item: Item) => number;
}

/**
 * Runs `work` for each item, at most `atOnce` at a time (`auto` finds out how many serve best, and a function may
 * answer otherwise each time), and reads the items no faster than that: a listing of any length stays a page in memory. Work that is done at once answers with `undefined` instead of a promise, and costs
 * none. The first error stops the reading, what is under way ends, then it is thrown.
 */
export async function eachAtOnce<Item>(
  items: Listing<Item> | readonly Item[],
  atOnce: Concurrency | (() => number),
  work: (item: Item) => Promise<void> | undefined,
  { stores, bytesOf = () => 0 }: Pacing<Item> = {},
): Promise<void> {
  const isPaced = atOnce === 'auto' || (typeof atOnce === 'number' && stores !== undefined);
  const pace = isPaced ? createPace(atOnce) : null;
  const most = typeof atOnce === 'function' ? atOnce : () => (pace === null ? Number(atOnce) : pace.places);
  const listeners = (stores ?? []).flatMap((store) => store.onThrottled?.(() => pace?.refused()) ?? []);
  const failures: unknown[] = [];
  const underWay = { count: 0 };
  // Called when one more is done; a race over all that is under way would be made anew for each item.
  let oneLess = (): void => {};
  const follow = async (working: Promise<void>, begun: Begun | undefined, item: Item): Promise<void> => {
    underWay.count++;
    try {
      await working;
      if (begun !== undefined) pace?.answered(begun, bytesOf(item), underWay.count, underWay.count >= most());
    } catch (error) {
      failures.push(error);
    } finally {
      underWay.count--;
      oneLess();
    }
  };
  const fewerThan = async (count: () => number): Promise<void> => {
    for (; underWay.count >= count();) await new Promise<void>((resolve) => (oneLess = resolve));
  };
  const workThrough = async (page: readonly Item[]): Promise<void> => {
    for (const item of page) {
      if (failures.length > 0) return;
      const begun = pace?.begin();
      const working = work(item);
      if (working === undefined) continue;
      void follow(working, begun, item);
      if (underWay.count >= most()) await fewerThan(most);
    }
  };
  try {
    for await (const page of 'length' in items ? [items] : pagesOf(items)) {
      await workThrough(page);
      if (failures.length > 0) break;
    }
  } finally {
    await fewerThan(() => 1);
    for (const end of listeners) end();
  }
  if (failures.length > 0) throw failures[0];
}
