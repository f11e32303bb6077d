import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, type Stats } from 'node:fs';
import { lstat, mkdir, open, realpath, rename, rm, rmdir, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import type { ObjectMeta, ObjectStore } from '../providers/providers.ts';
import { OWN_FOLDER, refusedByFolders } from './folder-keys.ts';
import { headOf, isGone, listFolder } from './folder-listing.ts';
import { createFolderMetadata, type FolderMetadata } from './folder-metadata.ts';
import { keptMeta, keptTime } from './kept-meta.ts';

export interface FolderStoreOptions {
  /** An existing folder, or one to be made when something is put. */
  readonly path: string;
  readonly label: string;
  /** Told of what lies there and is no object: links, sockets, folders that cannot be read. Each listing tells it again. */
  readonly onSkipped?: (path: string, reason: string) => void;
  /** How the disk spells the last name of a path that exists; its own word for it when absent. */
  readonly spelledOnDisk?: (path: string) => Promise<string>;
}

/** Folders that were looked at are remembered up to so many. */
const REMEMBERED = 10_000;

/**
 * A folder on this machine as an object store. Nothing outside of it is written, and nothing read there but metadata
 * that a copy into a folder above has kept: links are not followed.
 * Files are written beside and renamed into place. `refusedByFolders` tells which keys it cannot hold.
 */
export function createFolderStore(options: FolderStoreOptions): ObjectStore {
  const { label, onSkipped = () => {}, spelledOnDisk = async (path) => basename(await realpath(path)) } = options;
  let root = options.path;
  let rooted = false;
  const room = (): string => join(root, OWN_FOLDER);
  let kept: FolderMetadata | null = null;
  /** Once the root is resolved. */
  const metadata = (): FolderMetadata => (kept ??= createFolderMetadata(root));
  /** Folders below the root that are known to be no links. */
  const inside = new Set<string>();
  /** Writes under way, by their path in lower case: two that differ only in case must see each other. */
  const underWay = new Map<string, Promise<unknown>>();

  async function resolveRoot(): Promise<void> {
    if (rooted) return;
    root = await realpath(options.path);
    rooted = true;
  }

  /** What is not yet whole, and metadata, must not go where a link leads. */
  async function demandRoom(): Promise<void> {
    await mkdir(room(), { recursive: true });
    if (!(await lstat(room())).isDirectory())
      throw new Error(`${room()} is a link: remove it, or copy to another folder`);
  }

  /** Whether the folder of this path lies in the root by its real path; one that is not there yet does. */
  async function isInside(folder: string): Promise<boolean> {
    if (folder === root || inside.has(folder)) return true;
    try {
      if ((await realpath(folder)) !== folder) return (await spelledAlike(folder)) && (await isInside(dirname(folder)));
    } catch (error) {
      if (isGone(error)) return isInside(dirname(folder));
      throw error;
    }
    if (inside.size >= REMEMBERED) inside.clear();
    inside.add(folder);
    return true;
  }

  /** A disk that ignores case gives another spelling back; only a link leads elsewhere. */
  async function spelledAlike(folder: string): Promise<boolean> {
    return (await lstat(folder)).isDirectory();
  }

  /** The file of a key; `null` when it is none, cannot be one, or lies behind a link. */
  async function find(key: string): Promise<{ path: string; stats: Stats } | null> {
    try {
      await resolveRoot();
      if (refusedByFolders(key) !== null || !(await isInside(dirname(join(root, key))))) return null;
      const path = join(root, key);
      const stats = await lstat(path);
      if (key.endsWith('/')) return stats.isDirectory() && (await metadata().hasMarker(key)) ? { path, stats } : null;
      return stats.isFile() ? { path, stats } : null;
    } catch (error) {
      if (isGone(error)) return null;
      throw error;
    }
  }

  const sizeOf = (key: string, stats: Stats): number => (key.endsWith('/') ? 0 : stats.size);

  /** A file that nobody copied here tells the time that it has itself. */
  async function metaOf(key: string, stats: Stats): Promise<ObjectMeta> {
    const meta = await metadata().read(key);
    return stats.isFile() ? keptMeta(meta, { lastModified: stats.mtime.toISOString() }) : meta;
  }

  async function makeParent(key: string, path: string): Promise<void> {
    const parent = dirname(path);
    if (!(await isInside(parent))) throw new Error(`a folder of ${key} is a link that leads out of ${label}`);
    try {
      await mkdir(parent, { recursive: true });
    } catch (error) {
      if (!isGone(error) && !hasCode(error, 'EEXIST')) throw error;
      throw new Error(`a part of ${key} is a file in ${label}: a folder cannot hold both`, { cause: error });
    }
  }

  async function demandFreeName(key: string, path: string): Promise<void> {
    let there: Stats;
    try {
      there = await lstat(path);
    } catch (error) {
      if (isGone(error)) return;
      throw error;
    }
    if (there.isDirectory())
      throw new Error(`${key} is a folder in ${label}, because of keys below it: a folder cannot hold both`);
    if (there.isSymbolicLink()) return;
    const spelled = await spelledOnDisk(path);
    if (spelled !== basename(path))
      throw new Error(`${key} and ${spelled} differ only in case, which the disk of ${label} does not tell apart`);
  }

  async function putFile(
    key: string,
    body: Readable | Uint8Array,
    size: number,
    meta: ObjectMeta,
  ): Promise<{ etag: string }> {
    const path = join(root, key);
    await makeParent(key, path);
    await demandFreeName(key, path);
    const unfinished = join(room(), 'unfinished', randomUUID());
    await mkdir(dirname(unfinished), { recursive: true });
    try {
      const written = await writeWhole(unfinished, body);
      if (written !== size) throw new Error(`${written} bytes of ${key} came, ${size} were announced`);
      const time = keptTime(meta);
      if (time !== null) await utimes(unfinished, new Date(), time);
      await metadata().write(key, meta);
      await rename(unfinished, path);
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
    return { etag: headOf(key, await lstat(path)).etag };
  }

  async function putMarker(key: string, size: number, meta: ObjectMeta): Promise<{ etag: string }> {
    if (size > 0) throw new Error(`${key} ends in a slash and holds ${size} bytes: a folder cannot hold it`);
    const path = join(root, key);
    await makeParent(key, join(path, 'anything'));
    await metadata().write(key, meta);
    return { etag: headOf(key, await lstat(path)).etag };
  }

  return {
    label,
    async *list(prefix = '', after = '') {
      try {
        await resolveRoot();
      } catch (error) {
        // A folder that is yet to be made holds nothing.
        if (isGone(error)) return;
        throw error;
      }
      yield* listFolder({ root, prefix, after, hasMarker: (key) => metadata().hasMarker(key), onSkipped });
    },
    async head(key) {
      const found = await find(key);
      if (found === null) return null;
      const head = { ...headOf(key, found.stats), size: sizeOf(key, found.stats) };
      return { ...head, meta: await metaOf(key, found.stats) };
    },
    async get(key, range) {
      const found = await find(key);
      if (found === null) return null;
      const head = headOf(key, found.stats);
      const whole = sizeOf(key, found.stats);
      const start = range?.start ?? 0;
      const end = Math.min(range?.end ?? whole - 1, whole - 1);
      const size = Math.max(0, end - start + 1);
      const meta = await metaOf(key, found.stats);
      // Opened now, so that a file that may not be read is told by this call and not by the stream.
      const body =
        size === 0
          ? Readable.from([], { objectMode: false })
          : (await open(found.path)).createReadStream({ start, end });
      return { ...head, size, meta, body };
    },
    async put(key, body, size, meta) {
      const refused = refusedByFolders(key);
      if (refused !== null) throw new Error(refused);
      if (!rooted) await mkdir(options.path, { recursive: true });
      await resolveRoot();
      await demandRoom();
      const place = join(root, key).normalize('NFC').toLowerCase();
      const before = underWay.get(place) ?? Promise.resolve();
      const put = before.then(() => (key.endsWith('/') ? putMarker(key, size, meta) : putFile(key, body, size, meta)));
      const settled = put.catch(() => {});
      underWay.set(place, settled);
      try {
        return await put;
      } finally {
        if (underWay.get(place) === settled) underWay.delete(place);
      }
    },
    async delete(key) {
      const found = await find(key);
      if (found === null) return;
      if (key.endsWith('/')) await rmdir(found.path).catch(ignoreFull);
      else await rm(found.path, { force: true });
      await metadata().forget(key);
    },
    async md5(key) {
      const found = await find(key);
      if (found === null) return null;
      const hash = createHash('md5');
      if (sizeOf(key, found.stats) > 0) for await (const chunk of createReadStream(found.path)) hash.update(chunk);
      return hash.digest('hex');
    },
  };
}

/** Answers with the bytes written. */
async function writeWhole(path: string, body: Readable | Uint8Array): Promise<number> {
  const file = await open(path, 'wx');
  try {
    let written = 0;
    for await (const chunk of body instanceof Uint8Array ? [body] : body) {
      const bytes: Uint8Array = chunk;
      await file.writeFile(bytes);
      written += bytes.byteLength;
    }
    return written;
  } finally {
    await file.close();
  }
}

/** A marker's folder that still holds something stays a folder. */
function ignoreFull(error: unknown): void {
  if (!hasCode(error, 'ENOTEMPTY') && !isGone(error)) throw error;
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
