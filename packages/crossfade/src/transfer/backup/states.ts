import type { ObjectStore } from '../../providers/providers.ts';
import { compareKeys } from '../key-range.ts';
import { readBase, readEntry, readLog, type BaseHeader, type LogEntry } from './backup-log.ts';
import { sortedOnDisk } from './sorted-on-disk.ts';

/** What the backup knows of one key. */
export interface KeyState {
  readonly key: string;
  /** The last thing that happened to it until the time that was asked for; `null` when nothing had yet. */
  readonly asOf: LogEntry | null;
  /** The last thing that happened to it at all. */
  readonly now: LogEntry;
}

/**
 * Every key that the base and the log since then name, in byte order, with its state at a time (epoch ms). Memory stays
 * flat: the entries are sorted on disk.
 */
export async function* statesAt(
  backup: ObjectStore,
  base: { path: string; header: BaseHeader } | null,
  atMs: number,
  signal: AbortSignal,
): AsyncGenerator<KeyState> {
  async function* entries(): AsyncGenerator<LogEntry> {
    if (base !== null) yield* readBase(backup, base, signal);
    // What happened before the base began is in it, or was undone again.
    yield* readLog(backup, base?.header.startedAt ?? new Date(0).toISOString(), signal);
  }
  const inOrder = (a: LogEntry, b: LogEntry): number =>
    compareKeys(a.key, b.key) || Date.parse(a.at) - Date.parse(b.at);
  const held: { state: KeyState | null } = { state: null };
  for await (const told of sortedOnDisk(entries(), inOrder, readEntry)) {
    const { state } = held;
    const before = state?.key === told.key ? state : null;
    if (before === null && state !== null) yield state;
    const entry = before === null ? told : withKeptBytes(told, before.now);
    const asOf = Date.parse(entry.at) <= atMs ? entry : (before?.asOf ?? null);
    held.state = { key: entry.key, asOf, now: entry };
  }
  if (held.state !== null) yield held.state;
}

/** The bytes of a put that came too late may have been kept before, under the same ETag. */
function withKeptBytes(entry: LogEntry, before: LogEntry): LogEntry {
  if (entry.op !== 'put' || entry.version !== null || before.op !== 'put' || before.etag !== entry.etag) return entry;
  return { ...before, at: entry.at };
}
