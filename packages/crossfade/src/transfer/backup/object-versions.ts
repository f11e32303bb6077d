import type { ObjectBody, ObjectHead, ObjectStore } from '../../providers/providers.ts';
import { isPlainMd5 } from '../composite-etag.ts';
import { copyOne } from '../copy-one.ts';
import type { CopiedObject } from '../copy-tools.ts';
import { ObjectChanged, sha256Of } from '../object-body.ts';
import { versionPath, type PutEntry } from './backup-log.ts';

/**
 * The store, in which one object is known by another key. What a store may be able to do besides is left out, so that
 * the bytes come by here and are hashed in one piece.
 */
function underAnotherName(store: ObjectStore, key: string, path: string): ObjectStore {
  const named = <Found extends ObjectHead>(found: Found | null): Found | null =>
    found === null ? null : { ...found, key };
  return {
    label: store.label,
    list: () => store.list(path),
    head: async () => named(await store.head(path)),
    get: async (_key, range): Promise<ObjectBody | null> => named(await store.get(path, range)),
    put: (_key, body, size, meta, md5) => store.put(path, body, size, meta, md5),
    delete: () => store.delete(path),
  };
}

/**
 * Keeps what the media bucket holds under a key as a version, hashed on the way. `null` when it holds another object
 * by now than the one that was seen, or none.
 */
export async function keepObject(
  media: ObjectStore,
  backup: ObjectStore,
  seen: Pick<ObjectHead, 'key' | 'etag'> & { readonly at: string },
  signal: AbortSignal,
): Promise<PutEntry | null> {
  const { key, etag, at } = seen;
  const version = versionPath(key, at, etag);
  const before = await media.head(key);
  if (before === null || before.etag !== etag) return null;
  const stores = { from: media, to: underAnotherName(backup, key, version) };
  const copied = await copyOne(stores, before, signal).catch((error: unknown) => {
    if (error instanceof ObjectChanged) return null;
    throw error;
  });
  const isThat = isPlainMd5(etag) ? copied?.md5 === etag : (await media.head(key))?.etag === etag;
  if (copied === null || copied.sha256 === null || !isThat) {
    // It changed while it was read, so these are not the bytes of that version.
    await backup.delete(version);
    return null;
  }
  return { op: 'put', key, at, etag, size: copied.size, sha256: copied.sha256, version };
}

/** The target as it is, for one copy in one piece. */
const withoutAbilities = ({ label, list, head, get, put, delete: remove }: ObjectStore): ObjectStore => ({
  label,
  list,
  head,
  get,
  put,
  delete: remove,
});

/**
 * Puts a version back under its key. Its bytes are proven before anything is overwritten, and what was stored is proven
 * after it.
 * @throws Error that says what is wrong with the version, or with what the target holds
 */
export async function putBack(
  backup: ObjectStore,
  target: ObjectStore,
  wanted: PutEntry,
  signal: AbortSignal,
): Promise<CopiedObject> {
  const { key, version, sha256 } = wanted;
  if (version === null) throw new Error('this version was overwritten or deleted before it could be kept');
  const measured = await sha256Of(backup, version, signal);
  if (measured === null) throw new Error(`its version ${version} is missing in ${backup.label}`);
  if (measured !== sha256)
    throw new Error(`its version ${version} is corrupted: SHA-256 ${measured}, expected ${sha256}`);
  const from = underAnotherName(backup, key, version);
  const head = await from.head(key);
  const copied = head === null ? null : await copyOne({ from, to: withoutAbilities(target) }, head, signal);
  if (copied?.sha256 !== sha256) throw new Error(`its version ${version} changed while it was read`);
  // A plain MD5 was compared when it was stored; any other ETag says nothing.
  if (!isPlainMd5(copied.etag)) {
    const stored = await sha256Of(target, key, signal);
    if (stored !== sha256) throw new Error(`${target.label} holds other bytes than were sent: SHA-256 ${stored}`);
  }
  return copied;
}
