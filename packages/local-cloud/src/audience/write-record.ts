import { appendFile, readFile } from 'node:fs/promises';
import * as v from 'valibot';
import type { Side } from './tally.ts';

export type WriteKind = 'upload' | 'overwrite' | 'delete';

/** `unknown`: the answer was lost or said nothing certain, so that it may have happened or not. */
const outcome = v.picklist(['begun', 'succeeded', 'refused', 'unknown']);

const entry = v.object({
  key: v.string(),
  kind: v.picklist(['upload', 'overwrite', 'delete']),
  /** Hex SHA-256 of what was written; `null` for a delete. */
  sha256: v.nullable(v.string()),
  side: v.picklist(['legacy', 'edge']),
  at: v.string(),
  outcome,
});
type Entry = v.InferOutput<typeof entry>;

/** What may lie under a key, after all that its uploader was told. */
export interface KeyTruth {
  readonly key: string;
  /** SHA-256 of the bytes that may be there, `null` for nothing: one of these when all answers came. */
  readonly may: readonly (string | null)[];
  /** The last operation that succeeded; `null` where none has. */
  readonly last: WriteKind | null;
  /** Who served that one. */
  readonly side: Side | null;
  /** Rises with each operation that begins or ends. */
  readonly version: number;
}

/** One operation, as its uploader was told of it. */
export type ToldWrite = Pick<Entry, 'key' | 'kind' | 'side' | 'at'> & { readonly outcome: 'succeeded' | 'unknown' };

export type WriteCounts = Record<'uploads' | 'overwrites' | 'deletes', number>;

export interface WriteRecord {
  /** An operation goes out; what is answered ends it. No second one on the same key begins before. */
  begin(write: Omit<Entry, 'at' | 'outcome'>): (ended: 'succeeded' | 'refused' | 'unknown') => void;
  truths(): KeyTruth[];
  writes(): readonly ToldWrite[];
  /** Operations that succeeded on each side. */
  counts(): Record<Side, WriteCounts>;
  /** Resolves when everything so far is in the file. */
  written(): Promise<void>;
}

interface Kept {
  may: Set<string | null>;
  pending: string | null | undefined;
  last: WriteKind | null;
  side: Side | null;
  version: number;
}

const NAMES = { upload: 'uploads', overwrite: 'overwrites', delete: 'deletes' } as const;

/** The uploaders' own account of every write, kept in a file too: one line as it goes out, one as it ends. */
export async function openWriteRecord(file: string): Promise<WriteRecord> {
  const keys = new Map<string, Kept>();
  const writes: ToldWrite[] = [];
  const none = (): WriteCounts => ({ uploads: 0, overwrites: 0, deletes: 0 });
  const counts = { legacy: none(), edge: none() };
  let writing: Promise<void> = Promise.resolve();

  function take({ key, kind, sha256, side, at, outcome: told }: Entry): void {
    const kept = keys.get(key) ?? { may: new Set([null]), pending: undefined, last: null, side: null, version: 0 };
    keys.set(key, kept);
    kept.version++;
    kept.pending = told === 'begun' ? sha256 : undefined;
    if (told === 'unknown') kept.may.add(sha256);
    if (told === 'succeeded') {
      kept.may = new Set([sha256]);
      kept.last = kind;
      kept.side = side;
      counts[side][NAMES[kind]]++;
    }
    if (told === 'succeeded' || told === 'unknown') writes.push({ key, kind, side, at, outcome: told });
  }
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  });
  for (const line of text.split('\n')) if (line !== '') take(v.parse(entry, JSON.parse(line)));

  function note(line: Entry): void {
    take(line);
    writing = writing.then(() => appendFile(file, `${JSON.stringify(line)}\n`));
  }
  return {
    begin(write) {
      note({ ...write, at: new Date().toISOString(), outcome: 'begun' });
      return (ended) => note({ ...write, at: new Date().toISOString(), outcome: ended });
    },
    truths: () =>
      [...keys].map(([key, { may, pending, last, side, version }]) => ({
        key,
        // What is on its way may have arrived.
        may: [...(pending === undefined ? may : new Set([...may, pending]))],
        last,
        side,
        version,
      })),
    writes: () => writes,
    counts: () => ({ legacy: { ...counts.legacy }, edge: { ...counts.edge } }),
    written: () => writing,
  };
}
