import { setTimeout as wait } from 'node:timers/promises';
import pLimit from 'p-limit';
import { backOffMs } from '../providers/retry.ts';
import type { ObjectHead, ObjectStore } from '../providers/providers.ts';
import { errorText } from '../rollout/error-text.ts';
import { compareObject } from './compare-object.ts';
import { isPlainMd5 } from './composite-etag.ts';
import { copyObject, type CopiedObject } from './copy-object.ts';
import { eachAtOnce } from './each-at-once.ts';
import { listRange, type KeyRange } from './key-range.ts';
import { mergeListings, type KeyPair } from './merge-listings.ts';
import { createProgress, type TransferProgress } from './progress.ts';

/** Above this size, bytes, an object may go up in parts that are held in memory, so only a few do at once. */
const LARGE_BYTES = 5 * 1024 * 1024;
const LARGE_AT_ONCE = 4;
const ATTEMPTS = 3;

export interface CopyOptions {
  readonly from: ObjectStore;
  readonly to: ObjectStore;
  /** Objects on their way at once. */
  readonly concurrency: number;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: TransferProgress) => void;
  /** Only keys for which this holds; all when absent. */
  readonly filter?: (key: string) => boolean;
  /** Only keys within it, on both sides; all when absent. */
  readonly range?: KeyRange;
  /** Told of each object that arrived, with the hashes of the bytes that went by. */
  readonly onCopied?: (object: CopiedObject) => Promise<void> | void;
  /**
   * Objects of the same size whose ETags cannot be compared: copied when the source is the newer one (`times`, which
   * costs nothing and which a verification makes good), or read to find out (`bytes`).
   */
  readonly unsure?: 'times' | 'bytes';
  /** Leaves alone what differs and is newer in the target. */
  readonly keepNewer?: boolean;
}

export interface CopyResult {
  readonly copied: number;
  readonly bytes: number;
  /** Were there already, with the same bytes as far as the ETags show. */
  readonly present: number;
  /** Were in the source's listing and gone when they should be copied. */
  readonly gone: number;
  /** Differ and are newer in the target (`keepNewer`). */
  readonly keptNewer: readonly string[];
  readonly failed: readonly { readonly key: string; readonly reason: string }[];
}

/** What the listings alone say of one object. */
export type Need = 'copy' | 'present' | 'keep-newer' | 'unsure';

export function needOf(from: ObjectHead, to: ObjectHead | null, keepNewer = false): Need {
  if (to === null) return 'copy';
  const newer = Date.parse(to.lastModified) > Date.parse(from.lastModified) ? 'keep-newer' : 'copy';
  const different = keepNewer ? newer : 'copy';
  if (to.size !== from.size) return different;
  if (from.etag !== '' && from.etag === to.etag) return 'present';
  return isPlainMd5(from.etag) && isPlainMd5(to.etag) ? different : 'unsure';
}

/**
 * Copies what the target lacks or has otherwise. Both listings are walked twice, first to count and then to copy, so
 * that memory stays flat; running it again copies only what is still missing. One object's failure stops no other:
 * it is in `failed`. Throws the signal's reason when that fires, and `ProviderError` when a listing cannot be read.
 */
export async function copyObjects(options: CopyOptions): Promise<CopyResult> {
  const { from, to, signal, concurrency } = options;
  const total = await countWork(options);
  const progress = createProgress(total, options.onProgress ?? (() => {}));
  const large = pLimit(LARGE_AT_ONCE);
  const failed: { key: string; reason: string }[] = [];
  const keptNewer: string[] = [];
  let [copied, bytes, present, gone] = [0, 0, 0, 0];

  async function copy(key: string): Promise<void> {
    const outcome = await copyWithRetries(from, to, key, signal, progress.moved);
    if (outcome === null) gone++;
    else if (typeof outcome === 'string') failed.push({ key, reason: outcome });
    else {
      copied++;
      bytes += outcome.size;
      await options.onCopied?.(outcome);
    }
    progress.finished();
  }

  async function decide(pair: KeyPair & { from: ObjectHead }): Promise<void> {
    const need = await settle(options, pair.from, pair.to);
    if (need === 'present') present++;
    else if (need === 'keep-newer') keptNewer.push(pair.key);
    else if (pair.from.size > LARGE_BYTES) await large(() => copy(pair.key));
    else await copy(pair.key);
  }

  await eachAtOnce(sourcePairs(options), concurrency, decide);
  signal.throwIfAborted();
  progress.end();
  return { copied, bytes, present, gone, keptNewer, failed };
}

/** Every object of the source that the filter lets through, with what the target has under its key. */
async function* sourcePairs(options: CopyOptions): AsyncGenerator<KeyPair & { from: ObjectHead }> {
  const { from, to, range, filter, signal } = options;
  const pairs = mergeListings(listRange(from, range), listRange(to, range));
  for await (const { key, from: source, to: target } of pairs) {
    signal.throwIfAborted();
    if (source !== null && (filter === undefined || filter(key))) yield { key, from: source, to: target };
  }
}

async function countWork(options: CopyOptions): Promise<{ objects: number; bytes: number }> {
  let [objects, bytes] = [0, 0];
  for await (const pair of sourcePairs(options)) {
    if (needOf(pair.from, pair.to, options.keepNewer) !== 'copy') continue;
    objects++;
    bytes += pair.from.size;
  }
  return { objects, bytes };
}

/** Settles what the listings leave open. */
async function settle(options: CopyOptions, from: ObjectHead, to: ObjectHead | null): Promise<Exclude<Need, 'unsure'>> {
  const need = needOf(from, to, options.keepNewer);
  if (need !== 'unsure' || to === null) return need === 'unsure' ? 'copy' : need;
  const targetIsNewer = Date.parse(to.lastModified) > Date.parse(from.lastModified);
  if (options.unsure === 'bytes') {
    const { equal } = await compareObject(options, from, to, { deep: false, signal: options.signal });
    if (equal) return 'present';
    return options.keepNewer === true && targetIsNewer ? 'keep-newer' : 'copy';
  }
  return targetIsNewer ? 'present' : 'copy';
}

/** The copied object, `null` when the source has it no more, or why it could not be copied. */
async function copyWithRetries(
  from: ObjectStore,
  to: ObjectStore,
  key: string,
  signal: AbortSignal,
  moved: (bytes: number) => void,
): Promise<CopiedObject | string | null> {
  for (let attempt = 1; ; attempt++) {
    let inVain = 0;
    try {
      return await copyObject(from, to, key, signal, (bytes) => {
        inVain += bytes;
        moved(bytes);
      });
    } catch (error) {
      signal.throwIfAborted();
      moved(-inVain);
      if (attempt === ATTEMPTS) return errorText(error);
      await wait(backOffMs(attempt), null, { signal });
    }
  }
}
