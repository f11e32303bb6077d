import type { Dirent, Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ObjectHead } from '../providers/providers.ts';
import { errorText } from '../rollout/error-text.ts';
import { isOwn } from './folder-keys.ts';
import { compareKeys } from './key-range.ts';

/** Files that are looked at together. */
const BATCH = 64;

export interface FolderListing {
  /** Its real path. */
  readonly root: string;
  readonly prefix: string;
  readonly after: string;
  /** Whether an object `key/` was put, which on disk is only a folder. */
  readonly hasMarker: (key: string) => Promise<boolean>;
  /** Told of what lies there and is no object. */
  readonly onSkipped: (path: string, reason: string) => void;
}

interface Entry {
  /** Folders end in a slash, which gives them the place that their contents have in byte order. */
  readonly key: string;
  readonly folder: boolean;
}

/** The files below a folder as objects, in byte order of their keys. One folder's names are held at a time on each level. */
export async function* listFolder(listing: FolderListing): AsyncGenerator<ObjectHead> {
  yield* listBelow(listing, '');
}

async function* listBelow(listing: FolderListing, below: string): AsyncGenerator<ObjectHead> {
  const { prefix, after } = listing;
  if (below !== '' && isWanted(below, listing) && (await listing.hasMarker(below))) {
    const stats = await lstat(join(listing.root, below)).catch(() => null);
    if (stats !== null) yield { ...headOf(below, stats), size: 0 };
  }
  const entries = (await entriesOf(listing, below)).filter(({ key, folder }) =>
    folder ? mayHoldWanted(key, prefix, after) : isWanted(key, listing),
  );
  for (let at = 0; at < entries.length;) {
    const first = entries[at];
    if (first?.folder === true) {
      yield* listBelow(listing, first.key);
      at++;
      continue;
    }
    const files = filesFrom(entries, at);
    at += files.length;
    for (const head of await Promise.all(files.map(({ key }) => look(listing, key)))) if (head !== null) yield head;
  }
}

/** The next files up to a folder, at most a batch. */
function filesFrom(entries: readonly Entry[], at: number): Entry[] {
  const batch = entries.slice(at, at + BATCH);
  const folder = batch.findIndex((entry) => entry.folder);
  return folder === -1 ? batch : batch.slice(0, folder);
}

function isWanted(key: string, { prefix, after }: FolderListing): boolean {
  return key.startsWith(prefix) && compareKeys(key, after) > 0;
}

function mayHoldWanted(folder: string, prefix: string, after: string): boolean {
  if (!folder.startsWith(prefix) && !prefix.startsWith(folder)) return false;
  return after.startsWith(folder) || compareKeys(folder, after) >= 0;
}

async function entriesOf({ root, onSkipped }: FolderListing, below: string): Promise<Entry[]> {
  let found: Dirent<Buffer>[];
  try {
    found = await readdir(join(root, below), { withFileTypes: true, encoding: 'buffer' });
  } catch (error) {
    if (isGone(error)) return [];
    onSkipped(below === '' ? '.' : below, `the folder cannot be read: ${errorText(error)}`);
    return [];
  }
  const entries: Entry[] = [];
  for (const one of found) {
    const name = one.name.toString('utf8');
    const key = `${below}${name}`;
    if (isOwn(name)) continue;
    if (!Buffer.from(name).equals(one.name)) onSkipped(key, 'the file name is no UTF-8, which a key has to be');
    else if (one.isDirectory()) entries.push({ key: `${key}/`, folder: true });
    else if (one.isFile()) entries.push({ key, folder: false });
    else onSkipped(key, one.isSymbolicLink() ? 'a symbolic link is not followed' : 'it is no file');
  }
  return entries.sort((a, b) => compareKeys(a.key, b.key));
}

/** `null` when the file is gone since its folder was read. */
async function look({ root, onSkipped }: FolderListing, key: string): Promise<ObjectHead | null> {
  try {
    return headOf(key, await lstat(join(root, key)));
  } catch (error) {
    if (!isGone(error)) onSkipped(key, errorText(error));
    return null;
  }
}

/**
 * The ETag is no MD5, which would mean to read every file: it changes when the file does. `lastModified` is when the
 * file came to be as it is here, which nobody can set: the time that people see is the original's, and a copy that
 * were as old as its source would be copied again and again, and one from the future never.
 */
export function headOf(key: string, stats: Stats): ObjectHead {
  const { size, ctime, mtimeMs, ctimeMs, ino } = stats;
  return { key, size, etag: `file-${ino}-${mtimeMs}-${ctimeMs}-${size}`, lastModified: ctime.toISOString() };
}

/** Nothing is there under this path, or a file where the path needs a folder. */
export function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
