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

/**
 * A store that sends another size than it lists, and still lists the old one: what it sends is not the object, as when
 * a proxy answers with its sign-in page. Where the listing has followed, the object has changed.
 * @throws Error that names both sizes
 */
export async function demandListedSize(store: ObjectStore, listed: ObjectHead, now: ObjectHead): Promise<void> {
  if (now.size === listed.size) return;
  const again = await listedEntry(store, listed.key);
  if (again === null || again.size === now.size) return;
  throw new Error(`${store.label} lists ${again.size} bytes, and answers with ${now.size}: that is not the object`);
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
