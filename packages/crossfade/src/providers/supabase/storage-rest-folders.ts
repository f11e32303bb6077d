import type { ObjectHead } from '../providers.ts';

export interface FolderEntry {
  readonly name: string;
  /** `null` for a folder. */
  readonly object: ObjectHead | null;
}

/**
 * Walks a bucket whose listing shows one folder at a time, in byte order of the keys. `level` answers with all of one
 * folder, whose name ends in a slash or is empty; one folder's names are held on each level.
 */
export async function* listByFolder(
  level: (folder: string) => Promise<readonly FolderEntry[]>,
  prefix: string,
): AsyncGenerator<ObjectHead> {
  yield* below(prefix.slice(0, prefix.lastIndexOf('/') + 1));

  async function* below(folder: string): AsyncGenerator<ObjectHead> {
    const entries = (await level(folder)).map(({ name, object }) => ({
      key: object === null ? `${folder}${name}/` : `${folder}${name}`,
      object,
    }));
    entries.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
    for (const { key, object } of entries) {
      if (!key.startsWith(prefix) && !(object === null && prefix.startsWith(key))) continue;
      if (object === null) yield* below(key);
      else yield object;
    }
  }
}
