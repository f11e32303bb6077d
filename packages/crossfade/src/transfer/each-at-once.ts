/**
 * Runs `work` for each item, at most `atOnce` at a time, and reads the items no faster than that: a listing of any
 * length stays a few items in memory. The first error stops the reading, what is under way ends, then it is thrown.
 */
export async function eachAtOnce<Item>(
  items: AsyncIterable<Item> | Iterable<Item>,
  atOnce: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const failures: unknown[] = [];
  const underWay = { count: 0 };
  // Called when one more is done; a race over all that is under way would be made anew for each item.
  let oneLess = (): void => {};
  const start = async (item: Item): Promise<void> => {
    underWay.count++;
    try {
      await work(item);
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
  try {
    for await (const item of items) {
      if (failures.length > 0) break;
      void start(item);
      await atMost(atOnce - 1);
    }
  } finally {
    await atMost(0);
  }
  if (failures.length > 0) throw failures[0];
}
