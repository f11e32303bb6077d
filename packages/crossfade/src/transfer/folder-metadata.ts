import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import mime from 'mime';
import * as v from 'valibot';
import type { ObjectMeta } from '../providers/providers.ts';
import { errorText } from '../rollout/error-text.ts';
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
  custom: v.record(v.string(), v.string()),
});

export interface FolderMetadata {
  /** What was kept for the key; otherwise the content type that the name's ending stands for. */
  read(key: string): Promise<ObjectMeta>;
  /** Keeps what the name's ending does not tell; nothing is written for the rest. */
  write(key: string, meta: ObjectMeta): Promise<void>;
  forget(key: string): Promise<void>;
  /** A key that ends in a slash was put as an object, and is not only a folder. */
  hasMarker(key: string): Promise<boolean>;
}

/** The type that the ending of a file's name stands for; `null` for an ending that nobody knows. */
function guessedType(key: string): string | null {
  return mime.getType(key);
}

/**
 * Metadata of objects in a folder: one small JSON file each, below `meta/` of the folder's own room, named by the
 * SHA-256 of the key so that no key is too long or too strange for it.
 */
export function createFolderMetadata(room: string): FolderMetadata {
  const pathOf = (key: string): string => {
    const name = createHash('sha256').update(key).digest('hex');
    return join(room, 'meta', name.slice(0, 2), `${name}.json`);
  };
  async function find(key: string): Promise<ObjectMeta | null> {
    const path = pathOf(key);
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
  return {
    read: async (key) => (await find(key)) ?? metaOf({ contentType: guessedType(key) }),
    async write(key, meta) {
      const guessed = differingMeta(meta, metaOf({ contentType: guessedType(key) })).length === 0;
      if (guessed && !key.endsWith('/')) return rm(pathOf(key), { force: true });
      const path = pathOf(key);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, `${JSON.stringify({ key, ...meta })}\n`);
    },
    forget: (key) => rm(pathOf(key), { force: true }),
    hasMarker: async (key) => (await find(key)) !== null,
  };
}
