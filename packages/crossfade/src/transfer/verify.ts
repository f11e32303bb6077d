import { createHash } from 'node:crypto';
import pLimit from 'p-limit';
import type { ObjectStore } from '../providers/providers.ts';
import { isPlainMd5 } from './copy.ts';
import { mergeListings } from './merge-listings.ts';

export interface VerifyOptions {
  readonly from: ObjectStore;
  readonly to: ObjectStore;
  readonly concurrency: number;
  /** Read and hash every object, even where the checksums of both sides agree. */
  readonly deep?: boolean;
  readonly signal: AbortSignal;
}

export interface VerifyResult {
  /** Objects of the source, and their bytes. */
  readonly objects: number;
  readonly bytes: number;
  readonly verified: number;
  readonly mismatched: readonly { key: string; reason: string }[];
  readonly missing: readonly string[];
  /** In the target only. */
  readonly extra: number;
}

/** Waiting comparisons are bounded, so that memory stays flat over any number of keys. */
const QUEUE = 1000;

/**
 * Proves, object by object, that the target holds the source's bytes: by equal MD5s where both ETags are one, by
 * reading both and comparing SHA-256 otherwise. An object of the same size alone is never called verified.
 */
export async function verifyObjects(options: VerifyOptions): Promise<VerifyResult> {
  const { from, to, signal, deep = false } = options;
  const limit = pLimit(options.concurrency);
  const mismatched: { key: string; reason: string }[] = [];
  const missing: string[] = [];
  let objects = 0;
  let bytes = 0;
  let verified = 0;
  let extra = 0;
  const waiting = new Set<Promise<void>>();
  for await (const { key, from: source, to: target } of mergeListings(from.list(), to.list())) {
    signal.throwIfAborted();
    if (source === null) {
      extra++;
      continue;
    }
    objects++;
    bytes += source.size;
    if (target === null) missing.push(key);
    else if (target.size !== source.size) mismatched.push({ key, reason: `${target.size} bytes, expected ${source.size}` });
    else if (!deep && isPlainMd5(source.etag) && isPlainMd5(target.etag)) {
      if (source.etag === target.etag) verified++;
      else mismatched.push({ key, reason: `MD5 ${target.etag}, expected ${source.etag}` });
    } else {
      const compared = limit(async () => {
        const [expected, measured] = await Promise.all([sha256Of(from, key), sha256Of(to, key)]);
        if (expected !== null && expected === measured) verified++;
        else mismatched.push({ key, reason: `SHA-256 ${measured ?? 'of nothing'}, expected ${expected ?? 'nothing'}` });
      }).finally(() => waiting.delete(compared));
      waiting.add(compared);
      if (waiting.size >= QUEUE) await Promise.race(waiting);
    }
  }
  await Promise.all(waiting);
  return { objects, bytes, verified, mismatched, missing, extra };
}

async function sha256Of(store: ObjectStore, key: string): Promise<string | null> {
  const object = await store.get(key);
  if (object === null) return null;
  const hash = createHash('sha256');
  for await (const chunk of object.body) hash.update(chunk);
  return hash.digest('hex');
}
