import { createHash } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import * as v from 'valibot';
import { linesOf } from './lines-of.ts';
import type { VerifiedObject, VerifyOptions } from './verify.ts';

export interface Manifest {
  /** Adds one row; resolves when it is in the file. May be called by many at once. */
  write(object: VerifiedObject): Promise<void>;
  /** Puts the file in its place. Without it, only the unfinished `<file>.part` exists. */
  close(): Promise<WrittenManifest>;
  /** Forgets what was written; a file that was there before stays. */
  abandon(): Promise<void>;
}

export interface WrittenManifest {
  readonly file: string;
  readonly rows: number;
  /** Of the file. */
  readonly sha256: string;
}

/**
 * Writes one JSON line for each object, `{key,size,etag,md5?,sha256?,verifiedBy}`, as they come: in no order, and
 * never all in memory.
 */
export async function openManifest(file: string): Promise<Manifest> {
  const unfinished = `${file}.part`;
  const handle = await open(unfinished, 'w');
  const hash = createHash('sha256');
  let rows = 0;
  // One write after the other: each resolves for its own row, and an error reaches whoever wrote it.
  let last: Promise<unknown> = Promise.resolve();
  return {
    write(object) {
      const line = manifestLine(object);
      const written = last.then(async () => {
        await handle.appendFile(line);
        hash.update(line);
        rows++;
      });
      last = written.catch(() => {});
      return written;
    },
    async close() {
      await last;
      await handle.sync();
      await handle.close();
      await rename(unfinished, file);
      return { file, rows, sha256: hash.digest('hex') };
    },
    async abandon() {
      await last;
      await handle.close();
      await rm(unfinished, { force: true });
    },
  };
}

/** Work that writes a manifest, which counts only when the work comes to its end; none where there is no `file`. */
export async function withManifest<Result>(
  file: string | null,
  work: (more: Pick<VerifyOptions, 'onVerified'>) => Promise<Result>,
): Promise<{ result: Result; manifest: WrittenManifest | null }> {
  if (file === null) return { result: await work({}), manifest: null };
  const manifest = await openManifest(file);
  let result: Result;
  try {
    result = await work({ onVerified: (object) => manifest.write(object) });
  } catch (error) {
    await manifest.abandon();
    throw error;
  }
  return { result, manifest: await manifest.close() };
}

/** One row as it stands in the file, with its line break. */
export function manifestLine({ key, size, etag, md5, sha256, verifiedBy }: VerifiedObject): string {
  const row = { key, size, etag, ...(md5 === null ? {} : { md5 }), ...(sha256 === null ? {} : { sha256 }), verifiedBy };
  return `${JSON.stringify(row)}\n`;
}

const keyed = v.object({ key: v.string() });

/** Those of the keys that a manifest has; none where there is no such file. The file is read once and never held. */
export async function keysOfManifest(file: string, keys: ReadonlySet<string>): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for await (const line of linesOf(file)) {
    const { key } = v.parse(keyed, JSON.parse(line));
    if (keys.has(key)) found.add(key);
  }
  return found;
}
