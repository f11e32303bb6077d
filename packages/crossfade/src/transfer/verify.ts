import { pagesOf } from '../providers/listing.ts';
import type { ObjectHead, ObjectStore } from '../providers/providers.ts';
import { errorText } from '../rollout/error-text.ts';
import type { Account } from './account.ts';
import { provenByListings, type Comparison, type Proof } from './compare-object.ts';
import type { CopyFailure } from './copy.ts';
import { eachAtOnce } from './each-at-once.ts';
import { judgeObject, type Judged } from './judge-object.ts';
import type { KeyRange } from './key-range.ts';
import { listObjects, listPairs } from './list-in-ranges.ts';
import { unheldText } from './lost-metadata.ts';
import type { KeyPair } from './merge-listings.ts';
import type { Concurrency } from './pace.ts';
import { createProgress, type TransferProgress } from './progress.ts';
import { createEarlyStop } from './stop-early.ts';

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
  /** What differs: `size`, `MD5`, `SHA-256`, or the names of headers; `gone` where the target lists it and has no bytes of it. */
  readonly reason: string;
  readonly expected: string;
  readonly measured: string;
}

export type VerifyFinding =
  | { readonly kind: 'missing' | 'extra' | 'gone'; readonly key: string }
  /** Could not be compared: the reason is a store's own, or why the target cannot hold such a key. */
  | ({ readonly kind: 'failed' } & CopyFailure)
  /** Proven, and without headers that the target cannot hold: the reason names them. Told by a deep look only. */
  | ({ readonly kind: 'unheld' } & CopyFailure)
  /** Without values where it is the source that does not tell them. */
  | ({ readonly kind: 'metadata' } & CopyFailure)
  | ({ readonly kind: 'different' | 'metadata' } & Mismatch);

export interface VerifyOptions {
  readonly from: ObjectStore;
  readonly to: ObjectStore;
  readonly concurrency: Concurrency;
  /** Read and hash every object on both sides, even where their checksums agree, and compare their metadata. */
  readonly deep?: boolean;
  /** Only keys for which this holds; all when absent. */
  readonly filter?: (key: string) => boolean;
  /** Only keys within it, on both sides; all when absent. */
  readonly range?: KeyRange;
  readonly onProgress?: (progress: TransferProgress) => void;
  /** Told of each verified object: what a manifest is written from. */
  readonly onVerified?: (object: VerifiedObject) => Promise<void> | void;
  /** Why the target cannot hold such a key; `null` when it can. What it cannot hold has failed without a call. */
  readonly refuses?: (key: string) => string | null;
  /** Told of each object that is not proven, or not all of it (`unheld`). With it the result's lists stay empty, however many there are. */
  readonly onFinding?: (finding: VerifyFinding) => Promise<void> | void;
  readonly signal: AbortSignal;
}

export interface VerifyResult {
  readonly account: Account;
  /** Listed objects of the source that were not deleted since, and their bytes. */
  readonly objects: number;
  readonly bytes: number;
  readonly verified: number;
  readonly mismatched: readonly Mismatch[];
  /** In the source only. */
  readonly missing: readonly string[];
  /** Could not be compared, or cannot be in the target at all. */
  readonly failed: readonly CopyFailure[];
  /** Deleted in the source since it was listed. */
  readonly gone: readonly string[];
  /** In the target only. */
  readonly extra: readonly string[];
}

/**
 * Proves, object by object, that the target holds the source's bytes, and accounts for every object that the source
 * lists. An object of the same size alone is never called verified. What looks wrong by the listings, which age while
 * they are read, is looked at once more before it is told. Objects come in no order; the lists of the result are
 * sorted.
 * @throws the signal's reason when that fires, `ProviderError` when a listing cannot be read, and `TransferStopped`
 * when no other object would fare better
 */
export async function verifyObjects(options: VerifyOptions): Promise<VerifyResult> {
  const { signal, filter = () => true } = options;
  const progress = createProgress(options.onProgress ?? (() => {}));
  const stop = createEarlyStop(options);
  const found = collectFindings();
  const tell = options.onFinding ?? found.add;
  let [listed, proven, failed, gone, bytes] = [0, 0, 0, 0, 0];

  /** Nothing to wait for where the listings prove it. */
  function check({ key, from: source, to: target }: KeyPair): Promise<void> | undefined {
    signal.throwIfAborted();
    if (!filter(key)) return undefined;
    if (source === null) return settled(tell({ kind: 'extra', key }));
    listed++;
    const { unreadable } = source;
    const refused =
      unreadable === undefined
        ? (options.refuses?.(key) ?? null)
        : `listed under a key that cannot be read: ${unreadable}`;
    if (refused !== null) return finish(source, () => fail(source, { kind: 'failed', key, reason: refused }));
    const byListings = target === null || options.deep === true ? null : provenByListings(source, target);
    if (target === null || byListings === null) return finish(source, () => look(source, target));
    progress.moved(source.size);
    progress.finished();
    return settled(prove(source, target, byListings));
  }

  async function finish({ size }: ObjectHead, work: () => Promise<void>): Promise<void> {
    await work();
    progress.moved(size);
    progress.finished();
  }

  function prove(source: ObjectHead, target: ObjectHead, by: Comparison & { equal: true }): Promise<void> | void {
    proven++;
    bytes += source.size;
    stop.succeeded(source.key);
    const { md5, sha256, proof } = by;
    return options.onVerified?.({
      key: source.key,
      size: source.size,
      etag: target.etag,
      md5,
      sha256,
      verifiedBy: proof,
    });
  }

  async function fail({ size }: ObjectHead, finding: VerifyFinding): Promise<void> {
    failed++;
    bytes += size;
    await tell(finding);
  }

  async function look(source: ObjectHead, target: ObjectHead | null): Promise<void> {
    const { key } = source;
    let judged: Judged;
    try {
      judged = await judgeObject(options, source, target);
    } catch (error) {
      signal.throwIfAborted();
      await fail(source, { kind: 'failed', key, reason: errorText(error) });
      return stop.failed(key, error);
    }
    if (judged.is === 'equal') {
      const { unheld = [] } = judged;
      if (unheld.length > 0) await tell({ kind: 'unheld', key, reason: unheldText(options.to.label, unheld) });
      return prove(judged.source, judged.target, judged.found);
    }
    if (judged.is === 'missing') return fail(judged.source, { kind: 'missing', key });
    if (judged.is === 'metadata') return fail(judged.source, { kind: judged.is, ...judged.mismatch });
    if (judged.is === 'different') return fail(judged.source, { kind: judged.is, ...judged.mismatch });
    gone++;
    await tell({ kind: 'gone', key });
  }

  const counted = countSource(options, progress.expect);
  // Its failure is told below, unless the verification itself failed before.
  counted.catch(() => {});
  const pacing = { stores: [options.from, options.to], bytesOf: ({ from }: KeyPair): number => from?.size ?? 0 };
  await eachAtOnce(listPairs(options), options.concurrency, check, pacing);
  await counted;
  progress.end();
  const account = { listed, proven, failed, gone, late: 0 };
  return { account, objects: listed - gone, bytes, verified: proven, ...found.lists() };
}

type Lists = Pick<VerifyResult, 'mismatched' | 'missing' | 'failed' | 'gone' | 'extra'>;

function collectFindings(): { add(finding: VerifyFinding): void; lists(): Lists } {
  const mismatched: Mismatch[] = [];
  const failed: CopyFailure[] = [];
  const keys = { missing: new Array<string>(), gone: new Array<string>(), extra: new Array<string>() };
  return {
    add({ kind, ...finding }) {
      if (kind === 'unheld') return;
      if ('measured' in finding) mismatched.push(finding);
      else if ('reason' in finding) failed.push(finding);
      else if (kind === 'missing' || kind === 'gone' || kind === 'extra') keys[kind].push(finding.key);
    },
    lists: () => ({
      mismatched: mismatched.toSorted(byKey),
      failed: failed.toSorted(byKey),
      missing: keys.missing.toSorted(),
      gone: keys.gone.toSorted(),
      extra: keys.extra.toSorted(),
    }),
  };
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

function byKey(a: { readonly key: string }, b: { readonly key: string }): number {
  return a.key < b.key ? -1 : 1;
}
