import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { createInterface } from 'node:readline';
import * as v from 'valibot';
import type { ObjectStore } from '../../providers/providers.ts';
import { readBody } from '../object-body.ts';
import { metaOf } from '../../providers/object-meta.ts';

/*
 * What lies in the backup bucket:
 *   versions/<key>/<time>-<etag>    the bytes and the metadata of one version of one object
 *   log/<day>/<time>-<id>.jsonl     what happened to an object, one line of `LogEntry` each
 *   base/<time>.jsonl               all objects that there were at that time: a header, then a line of `LogEntry` each
 * Times are ISO, so names are in the order of time. Nothing is ever overwritten by something else.
 */
const VERSIONS = 'versions/';
const LOG = 'log/';
const BASE = 'base/';
/** R2's and S3's longest key, bytes. */
const LONGEST_KEY = 1024;
const JSON_LINES = metaOf({ contentType: 'application/x-ndjson' });

const time = v.pipe(
  v.string(),
  v.check((text) => !Number.isNaN(Date.parse(text)), 'expected an ISO time'),
);

/** What happened to an object. `version` is where its bytes lie; `null` when they were gone before they could be kept. */
const logEntry = v.variant('op', [
  v.object({
    op: v.literal('put'),
    key: v.string(),
    at: time,
    /** The media bucket's, unquoted. */
    etag: v.string(),
    size: v.number(),
    sha256: v.nullable(v.string()),
    version: v.nullable(v.string()),
  }),
  v.object({ op: v.literal('delete'), key: v.string(), at: time }),
]);
export type LogEntry = v.InferOutput<typeof logEntry>;
export type PutEntry = Extract<LogEntry, { op: 'put' }>;

const baseHeader = v.object({ startedAt: time, finishedAt: time, objects: v.number() });
export type BaseHeader = v.InferOutput<typeof baseHeader>;

/** Parses one line of the log. @throws Error that shows what is wrong with it */
export function readEntry(line: string): LogEntry {
  return v.parse(logEntry, JSON.parse(line));
}

/** Where a version lies. A key that is nearly as long as keys may be is named by its hash; the log has it in full. */
export function versionPath(key: string, at: string, etag: string): string {
  const name = `/${iso(at)}-${etag.replaceAll(/[^\w-]/g, '')}`;
  const whole = `${VERSIONS}${key}${name}`;
  return Buffer.byteLength(whole) <= LONGEST_KEY ? whole : `${VERSIONS}~${sha256(key)}${name}`;
}

/** Where an entry of the log lies: the same event has the same place, however often it comes. */
export function entryPath(at: string, id: string): string {
  return `${LOG}${iso(at).slice(0, 10)}/${iso(at)}-${/^[\w-]{1,100}$/.test(id) ? id : sha256(id)}.jsonl`;
}

const iso = (at: string): string => new Date(at).toISOString();
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Writes one entry. Doing it twice does no harm. */
export async function writeEntry(backup: ObjectStore, entry: LogEntry, id: string): Promise<void> {
  const line = Buffer.from(`${JSON.stringify(entry)}\n`);
  await backup.put(entryPath(entry.at, id), line, line.byteLength, JSON_LINES);
}

/** Entries of the log from a time on (ISO), in order of time. Throws for one that cannot be read, with its name. */
export async function* readLog(backup: ObjectStore, since: string, signal: AbortSignal): AsyncGenerator<LogEntry> {
  const from = iso(since);
  // Names begin with their time: what is older is not even listed.
  for await (const { key: path } of backup.list(LOG, `${LOG}${from.slice(0, 10)}/`)) {
    for await (const line of readLines(backup, path, signal)) {
      const entry = parsed(path, line, readEntry);
      if (Date.parse(entry.at) >= Date.parse(from)) yield entry;
    }
  }
}

/** The latest base that was finished by a time (epoch ms), and the time of the first one; `null` where there is none. */
export async function findBase(
  backup: ObjectStore,
  byMs: number,
  signal: AbortSignal,
): Promise<{ readonly first: string | null; readonly base: { path: string; header: BaseHeader } | null }> {
  let first: string | null = null;
  let latest: string | null = null;
  for await (const { key: path } of backup.list(BASE)) {
    const at = path.slice(BASE.length).replace(/\.jsonl$/, '');
    first ??= at;
    if (Date.parse(at) <= byMs) latest = path;
  }
  if (latest === null) return { first, base: null };
  for await (const line of readLines(backup, latest, signal))
    return {
      first,
      base: { path: latest, header: parsed(latest, line, (text) => v.parse(baseHeader, JSON.parse(text))) },
    };
  throw new Error(`${backup.label}/${latest} is empty`);
}

/** The objects of a base, in no order. Throws when it ends before all of them came. */
export async function* readBase(
  backup: ObjectStore,
  { path, header }: { path: string; header: BaseHeader },
  signal: AbortSignal,
): AsyncGenerator<LogEntry> {
  let lines = -1;
  for await (const line of readLines(backup, path, signal)) {
    lines++;
    if (lines > 0) yield parsed(path, line, readEntry);
  }
  if (lines !== header.objects)
    throw new Error(`${backup.label}/${path} has ${lines} objects, expected ${header.objects}`);
}

/** Writes a base: rows as they come, in the backup only once all of them are there. */
export async function writeBase(
  backup: ObjectStore,
  startedAt: string,
  fill: (add: (entry: PutEntry) => Promise<void>) => Promise<void>,
): Promise<BaseHeader> {
  const folder = await mkdtemp(join(tmpdir(), 'crossfade-base-'));
  try {
    const file = join(folder, 'rows');
    const handle = await open(file, 'w');
    let objects = 0;
    let last: Promise<unknown> = Promise.resolve();
    try {
      await fill((entry) => {
        objects++;
        const written = last.then(() => handle.appendFile(`${JSON.stringify(entry)}\n`));
        last = written.catch(() => {});
        return written;
      });
      await last;
    } finally {
      await handle.close();
    }
    const header = { startedAt, finishedAt: new Date().toISOString(), objects };
    const head = Buffer.from(`${JSON.stringify(header)}\n`);
    const whole = Readable.from(
      (async function* () {
        yield head;
        yield* createReadStream(file);
      })(),
      { objectMode: false },
    );
    const rows = await open(file);
    const { size } = await rows.stat().finally(() => rows.close());
    await backup.put(`${BASE}${header.finishedAt}.jsonl`, whole, head.byteLength + size, JSON_LINES);
    return header;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function* readLines(backup: ObjectStore, path: string, signal: AbortSignal): AsyncGenerator<string> {
  const opened = await backup.get(path);
  if (opened === null) throw new Error(`${backup.label}/${path} was listed and is gone`);
  const input = Readable.from(readBody(backup, opened, signal), { objectMode: false });
  for await (const line of createInterface({ input, crlfDelay: Infinity })) if (line !== '') yield line;
}

function parsed<Entry>(path: string, line: string, read: (line: string) => Entry): Entry {
  try {
    return read(line);
  } catch (error) {
    throw new Error(`${path} holds a line that cannot be read: ${line.slice(0, 200)}`, { cause: error });
  }
}
