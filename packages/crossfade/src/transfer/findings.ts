import { createReadStream } from 'node:fs';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import * as v from 'valibot';
import type { UnprovenObject } from './manifest.ts';

/**
 * `missing`: in the source only; `extra`: in the target only; `different`: not the same bytes; `metadata`: the same
 * bytes under other headers, or without custom values that the source does not tell; `unheld`: proven, and without
 * headers that the target cannot hold; `failed`: could not be copied or compared; `skipped`: lies in a folder and is no object; `late`: changed in the source since the last pass
 * began; `gone`: deleted in the source after it was listed.
 */
export const FINDING_KINDS = [
  'missing',
  'different',
  'metadata',
  'unheld',
  'failed',
  'skipped',
  'extra',
  'late',
  'gone',
] as const;
export type FindingKind = (typeof FINDING_KINDS)[number];

const finding = v.object({
  kind: v.picklist(FINDING_KINDS),
  key: v.string(),
  reason: v.optional(v.string()),
  expected: v.optional(v.string()),
  measured: v.optional(v.string()),
});
export type Finding = v.InferOutput<typeof finding>;

/** What a manifest says of an object that has such a finding; `null` for one that the source did not list, or that is proven. */
export function unprovenBy({ kind, key, reason }: Finding): UnprovenObject | null {
  if (kind === 'extra' || kind === 'skipped' || kind === 'unheld') return null;
  if (kind === 'gone') return { key, gone: true };
  return kind === 'late' ? { key, late: true } : { key, failed: reason ?? kind };
}

/** Findings of each kind that are kept in memory; the file has all. */
export const KEPT = 1000;

export interface Findings {
  /** Counts it and writes it to the file; resolves when it is there. May be called by many at once. */
  add(one: Finding): Promise<void>;
  readonly counts: Readonly<Record<FindingKind, number>>;
  /** The first ones of each kind. */
  first(kind: FindingKind): readonly Finding[];
  /** All that were found so far, from the file. */
  all(): AsyncGenerator<Finding>;
  /** The file, once something was found. */
  readonly file: string | null;
  close(): Promise<void>;
}

/** Collects findings in a file, one JSON line each, which is made with the first of them. */
export function openFindings(path: string): Findings {
  const counts: Record<FindingKind, number> = {
    missing: 0,
    different: 0,
    metadata: 0,
    unheld: 0,
    failed: 0,
    skipped: 0,
    extra: 0,
    late: 0,
    gone: 0,
  };
  const kept = new Map<FindingKind, Finding[]>(FINDING_KINDS.map((kind) => [kind, []]));
  let handle: FileHandle | null = null;
  let last: Promise<unknown> = Promise.resolve();
  return {
    add(one) {
      counts[one.kind]++;
      const same = kept.get(one.kind);
      if (same !== undefined && same.length < KEPT) same.push(one);
      const written = last.then(async () => {
        if (handle === null) {
          await mkdir(dirname(path), { recursive: true });
          handle = await open(path, 'w');
        }
        await handle.appendFile(`${JSON.stringify(one)}\n`);
      });
      last = written.catch(() => {});
      return written;
    },
    counts,
    first: (kind) => kept.get(kind) ?? [],
    async *all() {
      await last;
      if (handle === null) return;
      const lines = createInterface({ input: createReadStream(path), crlfDelay: Infinity });
      for await (const line of lines) yield v.parse(v.pipe(v.string(), v.parseJson(), finding), line);
    },
    get file() {
      return handle === null ? null : path;
    },
    async close() {
      await last;
      await handle?.close();
    },
  };
}
