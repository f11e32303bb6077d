import { createHash } from 'node:crypto';
import { lstat, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import mime from 'mime';
import * as v from 'valibot';
import type { ObjectMeta } from '../providers/providers.ts';
import { errorText } from '../rollout/error-text.ts';
import { OWN_FOLDER } from './folder-keys.ts';
import { isGone } from './folder-listing.ts';
import { differingMeta, metaOf } from '../providers/object-meta.ts';

const kept = v.object({
  key: v.string(),
  contentType: v.nullable(v.string()),
  cacheControl: v.nullable(v.string()),
  // Absent in what was written before these were kept.
  contentDisposition: v.optional(v.nullable(v.string()), null),
  contentEncoding: v.optional(v.nullable(v.string()), null),
  contentLanguage: v.optional(v.nullable(v.string()), null),
  expires: v.optional(v.nullable(v.string()), null),
  // Not `v.record`, which leaves out names like `constructor`: metadata may be called so.
  custom: v.custom<Record<string, string>>(isTexts, 'expected names with texts'),
});

function isTexts(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((one) => typeof one === 'string');
}

export interface FolderMetadata {
  /** What was kept for the key; otherwise the content type that the name's ending stands for. */
  read(key: string): Promise<ObjectMeta>;
  /** Keeps what the name's ending does not tell; nothing is written for the rest. */
  write(key: string, meta: ObjectMeta): Promise<void>;
  forget(key: string): Promise<void>;
  /** A key that ends in a slash was put as an object, and is not only a folder. */
  hasMarker(key: string): Promise<boolean>;
  /** Whether anything was ever kept for files of this key's folder: where not, its metadata is a guess. */
  isKept(key: string): Promise<boolean>;
}

/** The type that the ending of a file's name stands for; `null` for an ending that nobody knows. */
function guessedType(key: string): string | null {
  return mime.getType(key);
}

/** A folder with a room of its own in it, and the key as that room knows it. */
interface Room {
  readonly folder: string;
  readonly key: string;
}

/** Folders that were looked at are remembered up to so many. */
const REMEMBERED = 10_000;

/**
 * Metadata of objects below `root`: one small JSON file each, below `meta/` of a folder's own room, named by the
 * SHA-256 of the key so that no key is too long or too strange for it. A copy may be read from another folder than it
 * was written to: rooms in the file's folder and above it count, outside of `root` as well, the nearest first. Writing
 * keeps to the room of `root`, and outdates what nearer ones hold.
 */
export function createFolderMetadata(root: string): FolderMetadata {
  const known = new Map<string, boolean>();

  async function hasRoom(folder: string): Promise<boolean> {
    const before = known.get(folder);
    if (before !== undefined) return before;
    const found = (await isFolder(join(folder, OWN_FOLDER))) && (await isFolder(join(folder, OWN_FOLDER, 'meta')));
    if (known.size >= REMEMBERED) known.clear();
    known.set(folder, found);
    return found;
  }

  /** The rooms below the root, the nearest to the file first. */
  async function inner(key: string): Promise<Room[]> {
    const rooms: Room[] = [];
    const parts = key.split('/');
    for (let depth = parts.length - 1; depth > 0; depth--) {
      const [folder, name] = [join(root, ...parts.slice(0, depth)), parts.slice(depth).join('/')];
      if (name !== '' && (await hasRoom(folder))) rooms.push({ folder, key: name });
    }
    return rooms;
  }

  /** Those outside of it. */
  async function outer(key: string): Promise<Room[]> {
    const rooms: Room[] = [];
    let name = key;
    for (let folder = root; dirname(folder) !== folder; folder = dirname(folder)) {
      name = `${basename(folder)}/${name}`;
      if (await hasRoom(dirname(folder))) rooms.push({ folder: dirname(folder), key: name });
    }
    return rooms;
  }

  async function find(key: string): Promise<ObjectMeta | null> {
    const own = (await isFolder(join(root, OWN_FOLDER))) ? [{ folder: root, key }] : [];
    for (const room of [...(await inner(key)), ...own, ...(await outer(key))]) {
      const found = await readKept(room);
      if (found !== null) return found;
    }
    return null;
  }

  return {
    read: async (key) => (await find(key)) ?? metaOf({ contentType: guessedType(key) }),
    async write(key, meta) {
      for (const nearer of await inner(key)) await rm(pathIn(nearer), { force: true });
      const path = pathIn({ folder: root, key });
      const guessed = differingMeta(meta, metaOf({ contentType: guessedType(key) })).length === 0;
      // A room outside could say something else.
      if (guessed && !key.endsWith('/') && (await outer(key)).length === 0) {
        await mkdir(dirname(dirname(path)), { recursive: true });
        return rm(path, { force: true });
      }
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, `${JSON.stringify({ key, ...meta })}\n`);
    },
    async forget(key) {
      for (const room of [...(await inner(key)), { folder: root, key }]) await rm(pathIn(room), { force: true });
    },
    hasMarker: async (key) => (await find(key)) !== null,
    async isKept(key) {
      if ((await inner(key)).length > 0 || (await outer(key)).length > 0) return true;
      return isFolder(join(root, OWN_FOLDER, 'meta'));
    },
  };
}

function pathIn({ folder, key }: Room): string {
  const name = createHash('sha256').update(key).digest('hex');
  return join(folder, OWN_FOLDER, 'meta', name.slice(0, 2), `${name}.json`);
}

async function readKept(room: Room): Promise<ObjectMeta | null> {
  const path = pathIn(room);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
  try {
    const { key: _, ...meta } = v.parse(v.pipe(v.string(), v.parseJson(), kept), text);
    return meta;
  } catch (error) {
    throw new Error(`${path} is not what Crossfade wrote: ${errorText(error)}`, { cause: error });
  }
}

/** Links lead elsewhere, and are not followed. */
async function isFolder(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory();
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}
