import type { ObjectHead, ObjectStore } from '../providers/providers.ts';
import { needOf } from './copy.ts';
import { listPairs } from './list-in-ranges.ts';
import { askMetaDifferences, mayBeDescribedAnew } from './metadata-differences.ts';
import type { Concurrency } from './pace.ts';

export interface PendingOptions {
  readonly from: ObjectStore;
  readonly to: ObjectStore;
  readonly filter?: (key: string) => boolean;
  /** Ranges of the listings that may be read at once, in no order; one, in key order, when absent. */
  readonly concurrency?: Concurrency;
  readonly signal: AbortSignal;
}

/** What a copy would take across now, by the two listings; where these leave it open, by the metadata of both. */
export async function* pendingObjects(options: PendingOptions): AsyncGenerator<ObjectHead> {
  const { from, to, filter, concurrency = 1, signal } = options;
  for await (const { key, from: source, to: target } of listPairs({ from, to, concurrency, signal })) {
    signal.throwIfAborted();
    if (source === null || (filter !== undefined && !filter(key))) continue;
    const need = needOf(source, target);
    // As the copy settles it: the newer one is taken to be right, and the verification makes that good.
    const older = target === null || Date.parse(target.lastModified) <= Date.parse(source.lastModified);
    if (need === 'copy' || (need === 'unsure' && older)) yield source;
    else if (need === 'present' && target !== null && mayBeDescribedAnew(source, target)) {
      // What cannot be asked is not known to be in step; the copy tells why.
      const differences = await askMetaDifferences(options, key).catch(() => ['unknown']);
      if (differences.length > 0) yield source;
    }
  }
}

export interface Lag {
  readonly pending: number;
  /** Age of the oldest change in the source that the target lacks, s; 0 when it lacks none. */
  readonly seconds: number;
}

/** How far the target is behind, by the times that the source notes of its changes. */
export async function measureLag(options: PendingOptions): Promise<Lag> {
  let pending = 0;
  let oldest = Infinity;
  for await (const { lastModified } of pendingObjects(options)) {
    pending++;
    oldest = Math.min(oldest, Date.parse(lastModified));
  }
  return { pending, seconds: pending === 0 ? 0 : Math.max(0, (Date.now() - oldest) / 1000) };
}
