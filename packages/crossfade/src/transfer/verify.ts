import { pagesOf } from '../providers/listing.ts';
import type { ObjectHead, ObjectStore } from '../providers/providers.ts';
import { errorText } from '../rollout/error-text.ts';
import { compareObject, provenByListings, type Comparison, type Proof } from './compare-object.ts';
import { eachAtOnce } from './each-at-once.ts';
import type { KeyRange } from './key-range.ts';
import { listObjects, listPairs } from './list-in-ranges.ts';
import type { KeyPair } from './merge-listings.ts';
import { createProgress, type TransferProgress } from './progress.ts';

export interface VerifiedObject {
  readonly key: string;
  readonly size: number;
  /** The target's. */
  readonly etag: string;
  readonly md5: string | null;
  readonly sha256: string | null;
  readonly verifiedBy: Proof;
}

export interface Mismatch {
  readonly key: string;
  /** What differs: `size`, `MD5`, `SHA-256`; `gone`, or `unreadable` where nothing could be compared. */
  readonly reason: string;
  readonly expected: string;
  readonly measured: string;
}

export type VerifyFinding =
  { readonly kind: 'missing' | 'extra'; readonly key: string } | ({ readonly kind: 'different' } & Mismatch);

export interface VerifyOptions {
  readonly from: ObjectStore;
  readonly to: ObjectStore;
  readonly concurrency: number;
  /** Read and hash every object on both sides, even where their checksums agree. */
  readonly deep?: boolean;
  /** Only keys for which this holds; all when absent. */
  readonly filter?: (key: string) => boolean;
  /** Only keys within it, on both sides; all when absent. */
  readonly range?: KeyRange;
  readonly onProgress?: (progress: TransferProgress) => void;
  /** Told of each verified object: what a manifest is written from. */
  readonly onVerified?: (object: VerifiedObject) => Promise<void> | void;
  /** Told of each object that is not as it should be. With it the result's lists stay empty, however many there are. */
  readonly onFinding?: (finding: VerifyFinding) => Promise<void> | void;
  readonly signal: AbortSignal;
}

export interface VerifyResult {
  /** Objects of the source, and their bytes. */
  readonly objects: number;
  readonly bytes: number;
  readonly verified: number;
  readonly mismatched: readonly Mismatch[];
  /** In the source only. */
  readonly missing: readonly string[];
  /** In the target only. */
  readonly extra: readonly string[];
}

/**
 * Proves, object by object, that the target holds the source's bytes. An object of the same size alone is never
 * called verified. What looks wrong by the listings, which age while they are read, is looked at once more before it
 * is told; what the source has deleted meanwhile does not count. Objects come in no order; the lists of the result
 * are sorted.
 */
export async function verifyObjects(options: VerifyOptions): Promise<VerifyResult> {
  const { signal, filter = () => true } = options;
  const progress = createProgress(options.onProgress ?? (() => {}));
  const mismatched: Mismatch[] = [];
  const missing: string[] = [];
  const extra: string[] = [];
  let [objects, bytes, verified] = [0, 0, 0];
  const tell = options.onFinding ?? collect;

  function collect(finding: VerifyFinding): void {
    if (finding.kind === 'different') {
      const { key, reason, expected, measured } = finding;
      mismatched.push({ key, reason, expected, measured });
    } else (finding.kind === 'missing' ? missing : extra).push(finding.key);
  }

  /** Nothing to wait for where the listings prove it. */
  function check({ key, from: source, to: target }: KeyPair): Promise<void> | undefined {
    signal.throwIfAborted();
    if (!filter(key)) return undefined;
    if (source === null) return settled(tell({ kind: 'extra', key }));
    const proven = target === null || options.deep === true ? null : provenByListings(source, target);
    if (target === null || proven === null) return look(source, target);
    progress.moved(source.size);
    progress.finished();
    return settled(count(source, target, proven));
  }

  function count(source: ObjectHead, target: ObjectHead, found: Comparison & { equal: true }): Promise<void> | void {
    objects++;
    bytes += source.size;
    verified++;
    const { md5, sha256, proof } = found;
    return options.onVerified?.({
      key: source.key,
      size: source.size,
      etag: target.etag,
      md5,
      sha256,
      verifiedBy: proof,
    });
  }

  async function look(listedSource: ObjectHead, listedTarget: ObjectHead | null): Promise<void> {
    const found = await judge(options, listedSource, listedTarget);
    progress.moved(listedSource.size);
    progress.finished();
    if (found === null) return;
    const { source, target, comparison } = found;
    const { key } = source;
    if (target !== null && comparison.equal) return count(source, target, comparison);
    objects++;
    bytes += source.size;
    if (target === null) await tell({ kind: 'missing', key });
    else if (!comparison.equal) {
      const { reason, expected, measured } = comparison;
      await tell({ kind: 'different', key, reason, expected, measured });
    }
  }

  const counted = countSource(options, progress.expect);
  // Its failure is told below, unless the verification itself failed before.
  counted.catch(() => {});
  await eachAtOnce(listPairs(options), options.concurrency, check);
  await counted;
  progress.end();
  return {
    objects,
    bytes,
    verified,
    mismatched: mismatched.toSorted(byKey),
    missing: missing.toSorted(),
    extra: extra.toSorted(),
  };
}

type Judged =
  | { readonly source: ObjectHead; readonly target: null; readonly comparison: null }
  | { readonly source: ObjectHead; readonly target: ObjectHead; readonly comparison: Comparison };

/** `null` when the source has deleted it meanwhile. */
async function judge(options: VerifyOptions, source: ObjectHead, target: ObjectHead | null): Promise<Judged | null> {
  if (source.unreadable !== undefined)
    return {
      source,
      target: source,
      comparison: { equal: false, reason: 'unreadable', expected: 'a key', measured: source.unreadable },
    };
  const listed = target === null ? null : await compare(options, source, target);
  if (target !== null && listed?.equal === true) return { source, target, comparison: listed };
  const [sourceNow, targetNow] = await Promise.all([options.from.head(source.key), options.to.head(source.key)]);
  if (sourceNow === null) return null;
  if (targetNow === null) return { source: sourceNow, target: null, comparison: null };
  const unchanged = sourceNow.etag === source.etag && targetNow.etag === target?.etag;
  const comparison = unchanged && listed !== null ? listed : await compare(options, sourceNow, targetNow);
  return { source: sourceNow, target: targetNow, comparison };
}

/** An object that cannot be read is not verified; it stops no other. */
async function compare(options: VerifyOptions, source: ObjectHead, target: ObjectHead): Promise<Comparison> {
  const { deep = false, signal } = options;
  try {
    return await compareObject(options, source, target, { deep, signal });
  } catch (error) {
    signal.throwIfAborted();
    return { equal: false, reason: 'unreadable', expected: source.etag, measured: errorText(error) };
  }
}

/** Counts beside the verification, where somebody looks at the progress. */
async function countSource(options: VerifyOptions, expect: (objects: number, bytes: number) => void): Promise<void> {
  const { from, filter, onProgress, signal } = options;
  if (onProgress === undefined) return;
  for await (const page of pagesOf(listObjects(from, options))) {
    signal.throwIfAborted();
    for (const { key, size } of page) if (filter === undefined || filter(key)) expect(1, size);
  }
}

/** What is done at once is no promise. */
const settled = (told: Promise<void> | void): Promise<void> | undefined => told ?? undefined;

function byKey(a: Mismatch, b: Mismatch): number {
  return a.key < b.key ? -1 : 1;
}
