import type { ObjectStore } from '../../providers/providers.ts';
import { eachAtOnce } from '../each-at-once.ts';
import { mergeListings } from '../merge-listings.ts';
import { findBase, entryPath, writeBase, writeEntry, type BaseHeader } from './backup-log.ts';
import { keepObject } from './object-versions.ts';
import { statesAt } from './states.ts';
import type { Concurrency } from '../pace.ts';

/** What the mirror is told of an object: it may come twice, late, in any order, or not at all. `at` is an ISO time. */
export interface WriteEvent {
  readonly id: string;
  readonly type: 'put' | 'delete';
  readonly key: string;
  readonly size: number | null;
  readonly etag: string | null;
  readonly at: string;
}

export interface BackupStores {
  readonly media: ObjectStore;
  readonly backup: ObjectStore;
  readonly signal: AbortSignal;
}

/**
 * Keeps what an event tells of: a put's bytes as a version, and a line of the log. The same event again costs one HEAD.
 * A version that was overwritten before its event came is noted as lost, so that a restore names it.
 */
export function versionKeeper(stores: BackupStores): (event: WriteEvent) => Promise<void> {
  const { media, backup, signal } = stores;
  return async ({ id, type, key, size, etag, at }) => {
    if ((await backup.head(entryPath(at, id))) !== null) return;
    if (type === 'delete') {
      await writeEntry(backup, { op: 'delete', key, at }, id);
      return;
    }
    const unquoted = etag?.replaceAll('"', '') ?? (await media.head(key))?.etag ?? '';
    const kept = await keepObject(media, backup, { key, etag: unquoted, at }, signal);
    const lost = { op: 'put' as const, key, at, etag: unquoted, size: size ?? 0, sha256: null, version: null };
    await writeEntry(backup, kept ?? lost, id);
  };
}

/**
 * Keeps every object of the media bucket, and writes down which there were: the base that later events are added to.
 * What is kept already is not copied again, so a base made anew costs a listing. From when it is finished on, each
 * moment can be restored.
 */
export async function makeBase(
  stores: BackupStores,
  concurrency: Concurrency,
): Promise<BaseHeader & { copied: number }> {
  const { media, backup, signal } = stores;
  const startedAt = new Date().toISOString();
  const { base } = await findBase(backup, Date.now(), signal);
  let copied = 0;
  const header = await writeBase(backup, startedAt, async (add) => {
    const known = statesAt(backup, base, Infinity, signal);
    await eachAtOnce(mergeListings(known, media.list()), concurrency, async ({ key, from, to }) => {
      signal.throwIfAborted();
      if (to === null) return;
      const { etag, lastModified: at } = to;
      const before = from?.now ?? null;
      if (before?.op === 'put' && before.etag === etag && before.version !== null) {
        await add({ ...before, at });
        return;
      }
      const kept = await keepObject(media, backup, { key, etag, at }, signal);
      // It was overwritten or deleted since it was listed: an event tells of that.
      if (kept === null) return;
      copied++;
      await add(kept);
    });
  });
  return { ...header, copied };
}
