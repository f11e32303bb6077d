import type { ObjectStore } from '../providers/providers.ts';

/** The transfer has read from the source what it may. */
export class EgressSpent extends Error {
  override readonly name = 'EgressSpent';
}

/**
 * A store of whose objects no more than so many bytes are read in all, by whatever reads them: copies, their
 * repetitions, comparisons. An object is begun only when all of it may be read. Listings are not counted.
 * @param most asked for each time, since it may change; `null` for no limit
 */
export function withEgressLimit<Store extends ObjectStore>(store: Store, most: () => number | null): Store {
  let spent = 0;
  function take(bytes: number): void {
    const limit = most();
    if (limit !== null && spent + bytes > limit)
      throw new EgressSpent(`${spent} of the ${limit} bytes that may be read from ${store.label} are read`);
    spent += bytes;
  }
  const { read } = store;
  return {
    ...store,
    ...(read === undefined
      ? {}
      : {
          read: async (key: string, into: Buffer, version: { offset: number; size: number; etag: string }) => {
            take(into.byteLength);
            return read(key, into, version);
          },
        }),
    async get(key: string, range?: { start: number; end: number }) {
      if (range !== undefined) take(range.end - range.start + 1);
      const opened = await store.get(key, range);
      if (opened === null || range !== undefined) return opened;
      try {
        take(opened.size);
      } catch (error) {
        opened.body.on('error', () => {}).destroy();
        throw error;
      }
      return opened;
    },
  };
}
