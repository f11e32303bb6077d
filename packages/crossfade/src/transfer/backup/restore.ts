import { randomUUID } from 'node:crypto';
import type { ObjectHead, ObjectStore } from '../../providers/providers.ts';
import { errorText } from '../../rollout/error-text.ts';
import { isPlainMd5 } from '../composite-etag.ts';
import { eachAtOnce } from '../each-at-once.ts';
import { mergeListings } from '../merge-listings.ts';
import { restoring } from '../mirror/object-marks.ts';
import { sha256Of } from '../object-body.ts';
import { findBase, writeEntry, type PutEntry } from './backup-log.ts';
import { keepObject, putBack } from './object-versions.ts';
import { statesAt, type KeyState } from './states.ts';
import type { Concurrency } from '../pace.ts';

/** One key that a restore changes: `restore` where the target lacks it, `overwrite` where it has other bytes. */
export interface RestoreChange {
  readonly key: string;
  readonly change: 'restore' | 'overwrite' | 'delete';
  /** Bytes that are written. */
  readonly size: number;
}

export interface RestoreOptions {
  readonly backup: ObjectStore;
  readonly target: ObjectStore;
  /** Whether the target is the media bucket itself: then what goes is kept, and each change is logged. */
  readonly inPlace: boolean;
  /** The moment to restore, epoch ms. */
  readonly toMs: number;
  readonly concurrency: Concurrency;
  /** Name the changes, make none. */
  readonly dryRun: boolean;
  /** Told of each change when it was made (in a dry run: found), in no order. */
  readonly onChange?: (change: RestoreChange) => void;
  readonly signal: AbortSignal;
}

export interface RestoreResult {
  /** Objects that there were at that time. */
  readonly objects: number;
  readonly unchanged: number;
  readonly restored: number;
  readonly overwritten: number;
  readonly deleted: number;
  /** Bytes written. */
  readonly bytes: number;
  /** Only in the bucket beside: left as they are. */
  readonly extra: number;
  /** Number of objects that could not be restored, and the first of them. */
  readonly failed: number;
  readonly failures: readonly { readonly key: string; readonly reason: string }[];
}

const NAMED_FAILURES = 1000;

/** A time that nothing can be restored to. */
export class TimeNotKept extends Error {
  override readonly name = 'TimeNotKept';
}

/**
 * Brings a bucket to the state of an earlier moment. One object that cannot be restored is named and stays as it is;
 * the others go on. Interrupted and run again it ends right, and a second run changes nothing. In place, what it
 * overwrites or deletes is kept as a version first, so a restore to the moment before undoes it.
 * @throws TimeNotKept for a moment before the first base, and what the stores throw when they cannot be listed
 */
export async function restoreTo(options: RestoreOptions): Promise<RestoreResult> {
  const { backup, target, toMs, signal } = options;
  const { first, base } = await findBase(backup, toMs, signal);
  if (base === null)
    throw new TimeNotKept(
      first === null
        ? `there is no backup in ${backup.label} yet`
        : `the first backup in ${backup.label} is of ${first}: nothing before that can be restored`,
    );
  const counts = { restore: 0, overwrite: 0, delete: 0 };
  const failures: { key: string; reason: string }[] = [];
  let [objects, unchanged, bytes, extra, failed] = [0, 0, 0, 0, 0];
  const states = statesAt(backup, base, toMs, signal);
  await eachAtOnce(mergeListings(states, target.list()), options.concurrency, async ({ key, from, to }) => {
    signal.throwIfAborted();
    const wanted = from?.asOf?.op === 'put' ? from.asOf : null;
    const untold = wanted === null && stoodThen(options, from, to);
    if (wanted !== null || untold) objects++;
    if (untold) {
      unchanged++;
      return;
    }
    try {
      const change = await changeOf(options, from, to);
      if (change === null) {
        if (wanted !== null) unchanged++;
        return;
      }
      if (change === 'delete' && !options.inPlace) {
        extra++;
        return;
      }
      await (options.dryRun ? lookFor(options, wanted) : make(options, change, key, from, to));
      counts[change]++;
      const size = wanted?.size ?? 0;
      bytes += size;
      options.onChange?.({ key, change, size });
    } catch (error) {
      signal.throwIfAborted();
      failed++;
      if (failures.length < NAMED_FAILURES) failures.push({ key, reason: errorText(error) });
    }
  });
  const { restore: restored, overwrite: overwritten, delete: deleted } = counts;
  return { objects, unchanged, restored, overwritten, deleted, bytes, extra, failed, failures };
}

/**
 * Whether an object of which the backup says that it was not there then was there all the same: its event was lost, or
 * it came past the Worker. What was not written since is what it was then, by the store's own time of its last write.
 */
function stoodThen({ inPlace, toMs }: RestoreOptions, state: KeyState | null, head: ObjectHead | null): boolean {
  if (!inPlace || head === null) return false;
  const written = Date.parse(head.lastModified);
  const deleted = state?.asOf?.op === 'delete' ? Date.parse(state.asOf.at) : -Infinity;
  return written > deleted && written <= toMs;
}

/** What is to be done about a key; `null` when it is as it was then. */
async function changeOf(
  { target, signal }: RestoreOptions,
  state: KeyState | null,
  head: ObjectHead | null,
): Promise<RestoreChange['change'] | null> {
  const wanted = state?.asOf?.op === 'put' ? state.asOf : null;
  if (wanted === null) return head === null ? null : 'delete';
  if (head === null) return 'restore';
  if (head.size !== wanted.size) return 'overwrite';
  if (head.etag === wanted.etag) return null;
  // What an earlier restore wrote has another ETag where it went up in other parts.
  const { now } = state ?? {};
  if (now?.op === 'put' && now.etag === head.etag && now.sha256 !== null)
    return now.sha256 === wanted.sha256 ? null : 'overwrite';
  if (isPlainMd5(head.etag) && isPlainMd5(wanted.etag)) return 'overwrite';
  return (await sha256Of(target, head.key, signal)) === wanted.sha256 ? null : 'overwrite';
}

async function lookFor({ backup }: RestoreOptions, wanted: PutEntry | null): Promise<void> {
  if (wanted === null) return;
  if (wanted.version === null) throw new Error('this version was overwritten or deleted before it could be kept');
  if ((await backup.head(wanted.version)) === null)
    throw new Error(`its version ${wanted.version} is missing in ${backup.label}`);
}

async function make(
  options: RestoreOptions,
  change: RestoreChange['change'],
  key: string,
  state: KeyState | null,
  head: ObjectHead | null,
): Promise<void> {
  const { backup, target, inPlace, signal } = options;
  if (inPlace && head !== null) await keepFirst(options, state, head);
  const wanted = state?.asOf?.op === 'put' ? state.asOf : null;
  if (change === 'delete' || wanted === null) {
    // Noted before it is done: a restore that dies in between is run again, and finds it still to be done.
    await writeEntry(backup, { op: 'delete', key, at: new Date().toISOString() }, randomUUID());
    await target.delete(key);
    return;
  }
  const { etag } = await putBack(backup, restoring(target), wanted, signal);
  if (inPlace) await writeEntry(backup, { ...wanted, etag, at: new Date().toISOString() }, randomUUID());
}

/** What is there now lies in the backup too. Throws when it does not, so that it is neither overwritten nor deleted. */
async function keepFirst(
  { backup, target, signal }: RestoreOptions,
  state: KeyState | null,
  { key, etag, lastModified: at }: ObjectHead,
): Promise<void> {
  const known = state?.now ?? null;
  const isKept =
    known?.op === 'put' && known.etag === etag && known.version !== null && (await backup.head(known.version)) !== null;
  if (isKept) return;
  const kept = await keepObject(target, backup, { key, etag, at }, signal);
  if (kept === null) throw new Error('it changed while it was restored: run it again');
  await writeEntry(backup, kept, randomUUID());
}
