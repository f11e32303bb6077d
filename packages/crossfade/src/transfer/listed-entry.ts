import type { ObjectHead, ObjectStore } from '../providers/providers.ts';

/**
 * The key's entry in the listing as it is now; `null` where the listing lacks it. A 404 alone does not say that an
 * object was deleted: a proxy's looks the same, and stores list objects whose bytes they have lost
 * (supabase/storage#314).
 */
export async function listedEntry(store: ObjectStore, key: string): Promise<ObjectHead | null> {
  // In byte order the key itself comes before every longer one.
  for await (const listed of store.list(key)) return listed.key === key ? listed : null;
  return null;
}

/** The object is in the listing, and asked for by its key it is not there. */
export class ListedNotThere extends Error {
  override readonly name = 'ListedNotThere';
  constructor(store: string) {
    super(
      `listed, and not there: ${store} answers 404 for it and still lists it; delete it there or restore its bytes`,
    );
  }
}
