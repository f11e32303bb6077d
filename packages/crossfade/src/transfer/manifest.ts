import { createHash } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import * as v from 'valibot';
import { linesOf } from './lines-of.ts';
import type { VerifiedObject, VerifyOptions } from './verify.ts';

export interface Manifest {
  /** Adds one row; resolves when it is in the file. May be called by many at once. */
  write(object: VerifiedObject): Promise<void>;
  /** Adds a line for a listed object that is not proven. */
  note(object: UnprovenObject): Promise<void>;
  /** Puts the file in its place. Without it, only the unfinished `<file>.part` exists. */
  close(): Promise<WrittenManifest>;
  /** Forgets what was written; a file that was there before stays. */
  abandon(): Promise<void>;
}

/** A listed object that is not proven: deleted in the source, changed there since a copy began, or failed for a reason. */
export type UnprovenObject =
  | { readonly key: string; readonly gone: true }
  | { readonly key: string; readonly late: true }
  | { readonly key: string; readonly failed: string };

export interface WrittenManifest {
  readonly file: string;
  /** Proven objects. */
  readonly rows: number;
  /** Listed objects that are not proven, each named in a line of its own. */
  readonly unproven: number;
  /** Of the file. */
  readonly sha256: string;
}

/**
 * Writes one JSON line for each proven object, `{key,size,etag,md5?,sha256?,verifiedBy}`, as they come: in no order, and
 * never all in memory. What was listed and is not proven is `{key,gone:true}`, `{key,late:true}` or `{key,failed}`.
 */
export async function openManifest(file: string): Promise<Manifest> {
  const unfinished = `${file}.part`;
  const handle = await open(unfinished, 'w');
  const hash = createHash('sha256');
  let [rows, unproven] = [0, 0];
  // One write after the other: each resolves for its own row, and an error reaches whoever wrote it.
  let last: Promise<unknown> = Promise.resolve();
  const append = (line: string): Promise<void> => {
    const written = last.then(async () => {
      await handle.appendFile(line);
      hash.update(line);
    });
    last = written.catch(() => {});
    return written;
  };
  return {
    async write(object) {
      await append(manifestLine(object));
      rows++;
    },
    async note(object) {
      await append(unprovenLine(object));
      unproven++;
    },
    async close() {
      await last;
      await handle.sync();
      await handle.close();
      await rename(unfinished, file);
      return { file, rows, unproven, sha256: hash.digest('hex') };
    },
    async abandon() {
      await last;
      await handle.close();
      await rm(unfinished, { force: true });
    },
  };
}

/**
 * Work that writes a manifest, which counts only when the work comes to its end; none where there is no `file`. What
 * `unproven` then yields is named at the end of the file.
 */
export async function withManifest<Result>(
  file: string | null,
  work: (more: Pick<VerifyOptions, 'onVerified'>) => Promise<Result>,
  unproven?: (result: Result) => AsyncIterable<UnprovenObject>,
): Promise<{ result: Result; manifest: WrittenManifest | null }> {
  if (file === null) return { result: await work({}), manifest: null };
  const manifest = await openManifest(file);
  let result: Result;
  try {
    result = await work({ onVerified: (object) => manifest.write(object) });
    for await (const object of unproven?.(result) ?? []) await manifest.note(object);
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

export const unprovenLine = (object: UnprovenObject): string => `${JSON.stringify(object)}\n`;

const line = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({
    key: v.string(),
    gone: v.optional(v.boolean()),
    late: v.optional(v.boolean()),
    failed: v.optional(v.string()),
  }),
);

/** The key of a manifest's line that says that the object is proven; `null` for one that says that it is not. */
export function provenKeyOf(text: string): string | null {
  const { key, gone, late, failed } = v.parse(line, text);
  return gone === true || late === true || failed !== undefined ? null : key;
}

/** Those of the keys that a manifest calls proven; none where there is no such file. The file is read once and never held. */
export async function keysOfManifest(file: string, keys: ReadonlySet<string>): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for await (const text of linesOf(file)) {
    const key = provenKeyOf(text);
    if (key !== null && keys.has(key)) found.add(key);
  }
  return found;
}
