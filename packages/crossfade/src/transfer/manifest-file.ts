import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as v from 'valibot';
import type { ObjectHead, ObjectStore } from '../providers/providers.ts';
import { isPlainMd5, partsOf } from './composite-etag.ts';
import { compareKeys } from './key-range.ts';
import { NO_META } from '../providers/object-meta.ts';

const row = v.object({
  key: v.pipe(v.string(), v.minLength(1)),
  size: v.pipe(v.number(), v.integer(), v.minValue(0)),
  md5: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/))),
  etag: v.optional(v.string(), ''),
});
/** `etag` is the MD5, or that of an upload in parts, which a target's bytes prove as well. */
interface Row {
  readonly key: string;
  readonly size: number;
  readonly etag: string;
}
const EXPECTED: Readonly<Record<string, string>> = {
  key: 'a key',
  size: 'a size in bytes',
  md5: 'an MD5 of 32 hex digits',
};

/** Rows that are sorted in memory at once. */
const CHUNK_ROWS = 100_000;
/** Rows that a second look may ask for again: far more than are looked at together. */
const RECENT = 10_000;

/** A manifest that is none. The message names file, line and what was expected there. */
export class ManifestError extends Error {
  override readonly name = 'ManifestError';
}

export interface ManifestSource {
  /** Lists what the manifest says, in order. It has no bytes: `get` finds nothing. */
  readonly store: ObjectStore;
  /** Removes what was set aside for sorting. */
  close(): Promise<void>;
}

/**
 * A manifest as the source of a verification. Its rows are in no order, so they are sorted first: in memory up to
 * `chunkRows`, beyond that by way of temporary files that are merged.
 * @throws ManifestError for a row that is none, or a key that comes twice
 */
export async function openManifestSource(file: string, chunkRows = CHUNK_ROWS): Promise<ManifestSource> {
  const chunks: string[] = [];
  let folder: string | null = null;
  let rows: Row[] = [];
  const sorted = (): Row[] => rows.sort((a, b) => compareKeys(a.key, b.key));
  const close = async (): Promise<void> => {
    if (folder !== null) await rm(folder, { recursive: true, force: true });
  };
  try {
    for await (const one of readRows(file)) {
      rows.push(one);
      if (rows.length < chunkRows) continue;
      folder ??= await mkdtemp(join(tmpdir(), 'crossfade-manifest-'));
      const chunk = join(folder, String(chunks.length));
      await pipeline(Readable.from(lines(sorted())), createWriteStream(chunk));
      chunks.push(chunk);
      rows = [];
    }
    sorted();
  } catch (error) {
    await close();
    throw error;
  }
  const recent = new Map<string, ObjectHead>();
  async function* list(prefix = '', after = ''): AsyncGenerator<ObjectHead> {
    let before: string | null = null;
    for await (const { key, size, etag } of merged([...chunks.map(readRows), fromMemory(rows)])) {
      if (key === before) throw new ManifestError(`${file}: the key ${JSON.stringify(key)} comes twice`);
      before = key;
      if (!key.startsWith(prefix) || compareKeys(key, after) <= 0) continue;
      const head = { key, size, etag, lastModified: '' };
      recent.set(key, head);
      const [oldest] = recent.keys();
      if (recent.size > RECENT && oldest !== undefined) recent.delete(oldest);
      yield head;
    }
  }
  const store: ObjectStore = {
    label: file,
    list,
    async head(key) {
      const head = recent.get(key);
      return head === undefined ? null : { ...head, meta: NO_META };
    },
    get: async () => null,
    put: () => Promise.reject(new Error('a manifest is not written to')),
    delete: () => Promise.reject(new Error('a manifest is not written to')),
  };
  return { store, close };
}

async function* readRows(file: string): AsyncGenerator<Row> {
  let at = 0;
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    at++;
    const row = line === '' ? null : readRow(file, at, line);
    if (row !== null) yield row;
  }
}

const unproven = v.union([
  v.object({ key: v.string(), gone: v.literal(true) }),
  v.object({ key: v.string(), late: v.literal(true) }),
  v.object({ key: v.string(), failed: v.string() }),
]);

/** `null` for a line that names what was not proven: nothing is claimed of that object. */
function readRow(file: string, line: number, text: string): Row | null {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new ManifestError(
      `${file}, line ${line}: expected one JSON object, found ${JSON.stringify(text.slice(0, 60))}`,
    );
  }
  if (v.is(unproven, json)) return null;
  const parsed = v.safeParse(row, json);
  if (parsed.success) {
    const { key, size, etag, md5 = etag } = parsed.output;
    if (isPlainMd5(md5) || partsOf(md5) !== null) return { key, size, etag: md5 };
    throw new ManifestError(`${file}, line ${line}: expected an MD5 in md5 or in etag, found neither`);
  }
  const field = v.getDotPath(parsed.issues[0]) ?? '';
  const wanted = EXPECTED[field] ?? 'an object with key, size and md5';
  throw new ManifestError(
    `${file}, line ${line}: expected ${wanted}${field === '' ? '' : ` in ${field}`}, found ${parsed.issues[0].received}`,
  );
}

function* lines(rows: readonly Row[]): Generator<string> {
  for (const one of rows) yield `${JSON.stringify(one)}\n`;
}

async function* fromMemory(rows: readonly Row[]): AsyncGenerator<Row> {
  yield* rows;
}

/** Merges sorted rows; one of each is held. */
async function* merged(sources: readonly AsyncGenerator<Row>[]): AsyncGenerator<Row> {
  const heads: { row: Row; rest: AsyncGenerator<Row> }[] = [];
  const advance = async (rest: AsyncGenerator<Row>): Promise<void> => {
    const next = await rest.next();
    if (next.done !== true) heads.push({ row: next.value, rest });
  };
  try {
    for (const source of sources) await advance(source);
    while (heads.length > 0) {
      let least = 0;
      for (let at = 1; at < heads.length; at++)
        if (compareKeys(heads[at]?.row.key ?? '', heads[least]?.row.key ?? '') < 0) least = at;
      const [taken] = heads.splice(least, 1);
      if (taken === undefined) return;
      yield taken.row;
      await advance(taken.rest);
    }
  } finally {
    for (const source of sources) await source.return(undefined);
  }
}
