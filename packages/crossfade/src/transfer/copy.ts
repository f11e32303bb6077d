import { setTimeout as wait } from 'node:timers/promises';
import { isRefusedForGood, isThrottled, ProviderError } from '../providers/provider-error.ts';
import { backOffMs } from '../providers/retry.ts';
import { listingOf, pagesOf, type Listing } from '../providers/listing.ts';
import type { ObjectHead, ObjectStore } from '../providers/providers.ts';
import { errorText } from '../rollout/error-text.ts';
import { createBandwidth } from './bandwidth.ts';
import { createBuffers } from './buffers.ts';
import { compareObject } from './compare-object.ts';
import { etagsAgree, md5Named } from './checksum-rules.ts';
import { copyObject } from './copy-object.ts';
import type { CopiedObject, CopyTools } from './copy-tools.ts';
import { eachAtOnce } from './each-at-once.ts';
import type { KeyRange } from './key-range.ts';
import { listPairs } from './list-in-ranges.ts';
import { demandListedSize, listedEntry, ListedNotThere } from './listed-entry.ts';
import type { KeyPair } from './merge-listings.ts';
import { askMetaDifferences, mayBeDescribedAnew } from './metadata-differences.ts';
import { ObjectChanged } from './object-body.ts';
import type { Concurrency } from './pace.ts';
import { createProgress, type TransferProgress } from './progress.ts';
import { createEarlyStop, reasonToStop } from './stop-early.ts';
import { createThrottle } from './throttle.ts';
import { tellOpaqueEtag } from './untrue-etags.ts';

/** Bytes of objects and parts that are held in memory at once. */
const MEMORY_BYTES = 64 * 1024 * 1024;
const ATTEMPTS = 3;
/** Throttling is no fault of the object's. */
const THROTTLED_ATTEMPTS = 10;

export interface CopyOptions {
  readonly from: ObjectStore;
  readonly to: ObjectStore;
  /** Objects on their way at once, at most; `auto` finds out how many serve best. */
  readonly concurrency: Concurrency;
  readonly signal: AbortSignal;
  /** Of all objects together, on the average; no limit when absent. */
  readonly bytesPerSecond?: number | (() => number | null);
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
  /** Why the target cannot hold such a key; `null` when it can. What it cannot hold has failed without a call. */
  readonly refuses?: (key: string) => string | null;
  /** Told of each object that could not be copied. With it the result's `failed` stays empty, however many there are. */
  readonly onFailed?: (failure: CopyFailure) => Promise<void> | void;
  /** Told of each object that was deleted in the source after it was listed. */
  readonly onGone?: (key: string) => Promise<void> | void;
}

export interface CopyFailure {
  readonly key: string;
  readonly reason: string;
}

/** `listed` is the sum of `copied`, `present`, `gone`, `keptNewer` and `failures`. */
export interface CopyResult {
  /** Objects in the source's listing that were asked for. */
  readonly listed: number;
  readonly copied: number;
  readonly bytes: number;
  /** Were there already, with the same bytes as far as the ETags show. */
  readonly present: number;
  /** Were in the source's listing, and in no listing any more when they should be copied. */
  readonly gone: number;
  /** Differ and are newer in the target (`keepNewer`). */
  readonly keptNewer: readonly string[];
  /** The fewest at a time that the stores' throttling left; the ceiling where nothing throttled. */
  readonly fewestAtOnce: number;
  /** How many could not be copied, whoever was told of them. */
  readonly failures: number;
  readonly failed: readonly CopyFailure[];
}

/** What the listings alone say of one object. */
export type Need = 'copy' | 'present' | 'keep-newer' | 'unsure';

export function needOf(from: ObjectHead, to: ObjectHead | null, keepNewer = false): Need {
  if (to === null) return 'copy';
  const newer = Date.parse(to.lastModified) > Date.parse(from.lastModified) ? 'keep-newer' : 'copy';
  const different = keepNewer ? newer : 'copy';
  if (to.size !== from.size) return different;
  if (etagsAgree(from, to)) return 'present';
  // ETags that are no hashes may agree over other bytes; of one version they have the same time as well.
  if (from.etag !== '' && from.etag === to.etag && from.lastModified === to.lastModified) return 'present';
  return md5Named(from) !== null && md5Named(to) !== null ? different : 'unsure';
}

/**
 * Copies what the target lacks or has otherwise. Listings are walked page by page, so that memory stays flat, and long
 * ones in ranges at once, where both stores can: objects come in no order. Running it again copies only what is still
 * missing. One object's failure stops no other: it is in `failed`.
 * @throws the signal's reason when that fires, `ProviderError` when a listing cannot be read, and `TransferStopped`
 * when no other object would fare better
 */
export async function copyObjects(options: CopyOptions): Promise<CopyResult> {
  const { from, to, signal, concurrency } = options;
  const progress = createProgress(options.onProgress ?? (() => {}));
  const throttle = createThrottle(concurrency, [from, to]);
  const stop = createEarlyStop(options);
  const tools: CopyTools = {
    from,
    to,
    signal,
    throttle,
    buffers: createBuffers(MEMORY_BYTES),
    bandwidth: createBandwidth(options.bytesPerSecond),
  };
  const failed: CopyFailure[] = [];
  const tellFailed = options.onFailed ?? ((failure: CopyFailure) => void failed.push(failure));
  const keptNewer: string[] = [];
  let [listed, copied, bytes, present, gone, failures] = [0, 0, 0, 0, 0, 0];

  async function fail(key: string, reason: string): Promise<void> {
    failures++;
    await tellFailed({ key, reason });
  }

  async function copy(object: ObjectHead, settled: Settled): Promise<void> {
    const outcome = await copyWithRetries(tools, object, progress.moved);
    stop.succeeded(object.key);
    // What has failed counts as nothing else.
    if (settled === 'describe' && outcome !== null) await demandSameMeta(options, object.key);
    if (outcome === null) {
      gone++;
      await options.onGone?.(object.key);
    } else {
      copied++;
      bytes += outcome.size;
      await options.onCopied?.(outcome);
    }
  }

  /** Nothing to wait for where the listings show that it is there. */
  function decide(pair: SourcePair): Promise<void> | undefined {
    signal.throwIfAborted();
    listed++;
    const refused = options.refuses?.(pair.key) ?? null;
    if (refused !== null) return fail(pair.key, refused);
    if (needOf(pair.from, pair.to, options.keepNewer) !== 'present') return act(pair);
    if (pair.to !== null && mayBeDescribedAnew(pair.from, pair.to)) return act(pair);
    present++;
    return undefined;
  }

  async function act(pair: SourcePair): Promise<void> {
    const { key } = pair;
    try {
      const need = await settle(options, pair.from, pair.to);
      if (need === 'present') present++;
      else if (need === 'keep-newer') keptNewer.push(key);
      else await copy(pair.from, need).finally(progress.finished);
    } catch (error) {
      if (!(error instanceof ObjectFailed)) throw error;
      await fail(key, errorText(error.cause));
      await stop.failed(key, error.cause);
    }
  }

  const counting = countWhile(options, progress.expect);
  try {
    await eachAtOnce(sourcePairs(options), () => throttle.wanted, decide);
    await counting.end();
  } finally {
    throttle.close();
    counting.stop();
  }
  signal.throwIfAborted();
  progress.end();
  return { listed, copied, bytes, present, gone, keptNewer, fewestAtOnce: throttle.fewest, failures, failed };
}

type SourcePair = KeyPair & { readonly from: ObjectHead };

/** Every object of the source that the filter lets through, with what the target has under its key; in no order. */
function sourcePairs(options: CopyOptions): Listing<SourcePair> {
  const { filter, signal } = options;
  const wanted = (pair: KeyPair): pair is SourcePair =>
    pair.from !== null && (filter === undefined || filter(pair.key));
  const pairs = listPairs(options);
  return listingOf(async function* () {
    for await (const page of pagesOf(pairs)) {
      signal.throwIfAborted();
      yield page.filter(wanted);
    }
  });
}

interface Counting {
  /** Resolves when all is counted. */
  end(): Promise<void>;
  stop(): void;
}

/** Counts beside the copy what there is to do, where somebody looks at the progress. */
function countWhile(options: CopyOptions, expect: (objects: number, bytes: number) => void): Counting {
  if (options.onProgress === undefined) return { end: () => Promise.resolve(), stop: () => {} };
  let stopped = false;
  const count = async (): Promise<void> => {
    for await (const page of pagesOf(sourcePairs(options))) {
      if (stopped) return;
      for (const { from, to } of page) if (needOf(from, to, options.keepNewer) === 'copy') expect(1, from.size);
    }
  };
  const counted = count();
  // Its failure is told by `end`, unless the copy itself failed before.
  counted.catch(() => {});
  return { end: () => counted, stop: () => (stopped = true) };
}

/** `describe`: the bytes are there and the metadata is not; they go up again together, as every store can. */
type Settled = Exclude<Need, 'unsure'> | 'describe';

/** Settles what the listings leave open. @throws ObjectFailed where what is to be compared cannot be read */
async function settle(options: CopyOptions, from: ObjectHead, to: ObjectHead | null): Promise<Settled> {
  const listed = needOf(from, to, options.keepNewer);
  const isDisputed = to !== null && to.size === from.size && (listed === 'copy' || listed === 'keep-newer');
  const need = isDisputed && (await areOpaque(options, from.key)) ? 'unsure' : listed;
  if (need === 'present' && to !== null && mayBeDescribedAnew(from, to))
    return (await metaOf(options, from.key)).length > 0 ? 'describe' : 'present';
  if (need !== 'unsure' || to === null) return need === 'unsure' ? 'copy' : need;
  const targetIsNewer = Date.parse(to.lastModified) > Date.parse(from.lastModified);
  if (options.unsure === 'bytes') {
    const comparing = compareObject(options, from, to, { deep: false, signal: options.signal });
    const { equal } = await comparing.catch((cause: unknown) => {
      options.signal.throwIfAborted();
      throw new ObjectFailed(from.key, { cause });
    });
    if (equal) return 'present';
    return options.keepNewer === true && targetIsNewer ? 'keep-newer' : 'copy';
  }
  return targetIsNewer ? 'present' : 'copy';
}

/** Whether ETags that differ say nothing, since one of the stores makes them otherwise. @throws ObjectFailed */
async function areOpaque(options: CopyOptions, key: string): Promise<boolean> {
  try {
    return await tellOpaqueEtag(options, key);
  } catch (cause) {
    options.signal.throwIfAborted();
    throw new ObjectFailed(key, { cause });
  }
}

async function metaOf(options: CopyOptions, key: string): Promise<string[]> {
  try {
    return await askMetaDifferences(options, key);
  } catch (cause) {
    options.signal.throwIfAborted();
    throw new ObjectFailed(key, { cause });
  }
}

/** A target may take a header and not keep it. @throws ObjectFailed */
async function demandSameMeta(options: CopyOptions, key: string): Promise<void> {
  const names = await metaOf(options, key);
  if (names.length === 0) return;
  const cause = new Error(`${options.to.label} has the bytes, and does not keep ${names.join(', ')}`);
  throw new ObjectFailed(key, { cause });
}

/** An object that could not be copied in spite of all attempts; `cause` says why. */
class ObjectFailed extends Error {
  override readonly name = 'ObjectFailed';
}

/**
 * The copied object, `null` when the source has it no more.
 * @throws ObjectFailed when it cannot be copied, and the signal's reason
 */
async function copyWithRetries(
  tools: CopyTools,
  listed: ObjectHead,
  moved: (bytes: number) => void,
): Promise<CopiedObject | null> {
  const { from, signal, throttle } = tools;
  let current = listed;
  for (let attempt = 1; ; attempt++) {
    let inVain = 0;
    let cause: unknown = null;
    try {
      const copied = await copyObject(tools, current, (bytes) => {
        inVain += bytes;
        moved(bytes);
      });
      if (copied !== null) return copied;
    } catch (error) {
      signal.throwIfAborted();
      cause = error;
    }
    moved(-inVain);
    const throttled = isThrottled(cause);
    if (throttled && cause instanceof ProviderError) throttle.slowDown(cause.retryAfterMs);
    const isAway = cause === null || cause instanceof ObjectChanged;
    const now = isAway ? await lookAgain(from, listed, cause === null) : current;
    if (now === null) return null;
    // What cannot be written as a request, or is refused for what it is, will be no other at the next attempt.
    const inAnyCase = reasonToStop(cause) !== null || cause instanceof TypeError || isRefusedForGood(cause);
    if (inAnyCase || attempt >= (throttled ? THROTTLED_ATTEMPTS : ATTEMPTS))
      throw new ObjectFailed(listed.key, { cause: cause ?? new ListedNotThere(from.label) });
    current = now;
    if (!(cause instanceof ObjectChanged)) await wait(backOffMs(attempt), null, { signal });
  }
}

/**
 * An object that is not the listed one any more, as it is now; `null` when the listing has lost it too, which alone says
 * that it was deleted.
 * @throws ObjectFailed when the source does not say
 */
async function lookAgain(from: ObjectStore, listed: ObjectHead, wasAbsent: boolean): Promise<ObjectHead | null> {
  const { key } = listed;
  try {
    const now = wasAbsent ? null : await from.head(key);
    if (now !== null) await demandListedSize(from, listed, now);
    return now ?? (await listedEntry(from, key));
  } catch (cause) {
    throw new ObjectFailed(key, { cause });
  }
}
