import { setTimeout as wait } from 'node:timers/promises';
import { isRetryable, ProviderError } from '../../providers/provider-error.ts';
import type { ObjectStore } from '../../providers/providers.ts';
import { backOffMs } from '../../providers/retry.ts';
import { errorText } from '../../rollout/error-text.ts';
import { copyOne } from '../copy-one.ts';
import { copyObjects, type CopyFailure } from '../copy.ts';
import { eachAtOnce } from '../each-at-once.ts';
import type { KeyRange } from '../key-range.ts';
import { untoldText } from '../lost-metadata.ts';
import type { UnprovenObject } from '../manifest.ts';
import { TransferStopped } from '../stop-early.ts';
import { verifyObjects, type VerifiedObject, type VerifyResult } from '../verify.ts';
import type { FailedObject, PartitionResult } from './shared-transfer.ts';
import type { Concurrency } from '../pace.ts';

/** Rounds in a row that left no fewer objects than one before, though both stores answered. */
const ROUNDS_IN_VAIN = 6;
/** A store that does not answer at all is waited for so long, ms, since anything arrived last. */
const PATIENCE_MS = 10 * 60_000;
const MOST_NAMED = 100;

export interface PartitionTask {
  readonly from: ObjectStore;
  readonly to: ObjectStore;
  readonly range: KeyRange;
  readonly concurrency: Concurrency;
  readonly deep: boolean;
  readonly filter: ((key: string) => boolean) | undefined;
  /** Why the target cannot hold a key of the source beside the others; `null` when it can. All can when absent. */
  readonly refuses?: (key: string) => string | null;
  /** Told of objects and bytes that arrived; fewer than none where an attempt was in vain. */
  readonly onMoved: (objects: number, bytes: number) => void;
  /** Opens a new part of the manifest: that of an earlier round counts no more. */
  readonly manifest: () => {
    write(object: VerifiedObject): Promise<void>;
    note(object: UnprovenObject): Promise<void>;
    close(): Promise<void>;
  };
  readonly signal: AbortSignal;
}

/**
 * Copies one range and proves that it arrived, again and again until it did: a store that is away for a while is
 * waited for. What was copied before is seen to be there, so that one who takes over copies only what is missing.
 * What will not arrive is in `failures`. Throws the signal's reason.
 */
export async function copyPartition(task: PartitionTask): Promise<PartitionResult> {
  const { signal } = task;
  const told: Told = { reasons: new Map(), gone: new Set(), lost: new Map() };
  let [copied, copiedBytes] = [0, 0];
  let inVain = 0;
  /** Objects that a round left, the fewest so far: of the copy, and of the proof. */
  const fewest = { copy: Infinity, proof: Infinity };
  let arrived = performance.now();
  for (let round = 1; ; round++) {
    const before = copied;
    try {
      let [phase, left]: ['copy' | 'proof', number] = ['copy', 0];
      const copy = await copyRange(task, told);
      copied += copy.copied;
      copiedBytes += copy.bytes;
      left = copy.failures;
      if (copy.failures === 0) {
        const proof = await proveRange(task, told);
        const broken = proof.failures.filter(({ key }) => !isHopeless(task, told, key));
        if (broken.length === 0) return { ...proof, copied, copiedBytes };
        [phase, left] = ['proof', broken.length];
        const repaired = await repair(task, broken);
        copied += repaired.copied;
        copiedBytes += repaired.bytes;
        told.reasons = new Map(repaired.failed.map(({ key, reason }) => [key, reason]));
      }
      // What is copied again and again, and never proven, is no progress: a target may lose it each time.
      inVain = left < fewest[phase] ? 0 : inVain + 1;
      fewest[phase] = Math.min(fewest[phase], left);
      if (inVain >= ROUNDS_IN_VAIN) return { ...(await proveRange(task, told)), copied, copiedBytes };
    } catch (error) {
      signal.throwIfAborted();
      // Many that fail in a row are as many as one: it is the last one's reason that tells whether it passes.
      const cause = error instanceof TransferStopped ? error.cause : error;
      const unclear = error instanceof TransferStopped && !(cause instanceof ProviderError);
      if (unclear) inVain++;
      const passing = unclear ? inVain < ROUNDS_IN_VAIN : isRetryable(cause);
      if (!passing || performance.now() - arrived > PATIENCE_MS)
        return { ...(await accountFor(task, told, error)), copied, copiedBytes };
    }
    if (copied > before) arrived = performance.now();
    await wait(backOffMs(Math.min(round, ROUNDS_IN_VAIN)), null, { signal });
  }
}

/** What the last round's copy told by name. */
interface Told {
  reasons: Map<string, string>;
  /** In no listing any more, unless a later one has it again. */
  readonly gone: Set<string>;
  /** Copied without custom values that the source does not tell: to copy it again would bring no more. */
  readonly lost: Map<string, string>;
}

function isHopeless({ refuses }: PartitionTask, { lost }: Told, key: string | null): boolean {
  return key !== null && (lost.has(key) || (refuses?.(key) ?? null) !== null);
}

/** A copy that ended before its end still owes an account of each object, where the range can be listed. */
async function accountFor(task: PartitionTask, told: Told, error: unknown): Promise<PartitionResult> {
  try {
    return await proveRange(task, told, `not copied: ${errorText(error)}`);
  } catch {
    task.signal.throwIfAborted();
    // The first error is the one that a person has to mend.
    return failedRange(error);
  }
}

/** Asks a store again until it answers, for as long as the patience lasts; throws what will not pass at once. */
export async function withPatience<Answer>(work: () => Promise<Answer>, signal: AbortSignal): Promise<Answer> {
  const start = performance.now();
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (!isRetryable(error) || performance.now() - start > PATIENCE_MS) throw error;
      await wait(backOffMs(Math.min(attempt, ROUNDS_IN_VAIN)), null, { signal });
    }
  }
}

/** Nothing can be said of the range's objects, but why. */
export function failedRange(error: unknown): PartitionResult {
  const failures = [{ key: null, reason: errorText(error) }];
  const nothing = { objects: 0, bytes: 0, verified: 0, gone: 0, copied: 0, copiedBytes: 0, extra: 0 };
  return { ...nothing, failed: 1, unlisted: 1, failures };
}

function ranged({ from, to, range, filter, concurrency, signal }: PartitionTask) {
  return { from, to, range, concurrency, signal, ...(filter === undefined ? {} : { filter }) };
}

function copyRange(task: PartitionTask, told: Told) {
  let seen = { objects: 0, bytes: 0 };
  told.reasons = new Map();
  const { refuses, filter = () => true } = task;
  return copyObjects({
    ...ranged(task),
    // What the target cannot hold is named by the verification, and is no reason for another round.
    ...(refuses === undefined ? {} : { filter: (key) => filter(key) && refuses(key) === null }),
    onCopied({ key, untoldMeta }) {
      const reason = untoldText(task.from.label, untoldMeta);
      if (reason === null) told.lost.delete(key);
      else told.lost.set(key, reason);
    },
    onFailed: ({ key, reason }) => void told.reasons.set(key, reason),
    onGone: (key) => void told.gone.add(key),
    onProgress: ({ objects, bytes }) => {
      task.onMoved(objects - seen.objects, bytes - seen.bytes);
      seen = { objects, bytes };
    },
  });
}

/**
 * What became of each object that the range lists, and its part of the manifest. What the copy failed at has failed,
 * whatever the target holds; the copy says why, the verification only that it is not there.
 */
async function proveRange(
  task: PartitionTask,
  told: Told,
  otherwise = 'missing in the target',
): Promise<PartitionResult> {
  const { reasons, gone, lost } = told;
  const { refuses } = task;
  const manifest = task.manifest();
  const overruled: FailedObject[] = [];
  const result = await verifyObjects({
    ...ranged(task),
    deep: task.deep,
    ...(refuses === undefined ? {} : { refuses }),
    onVerified(object) {
      gone.delete(object.key);
      const reason = reasons.get(object.key) ?? lost.get(object.key);
      if (reason === undefined) return manifest.write(object);
      overruled.push({ key: object.key, reason });
    },
  });
  const broken = failuresOf(result, otherwise).map(({ key, reason }) => ({ key, reason: reasons.get(key) ?? reason }));
  for (const { key } of broken) gone.delete(key);
  for (const key of result.gone) gone.add(key);
  const failures = [...overruled, ...broken];
  // What can be mended comes first, since only the first are kept.
  failures.sort((a, b) => Number(isHopeless(task, told, a.key)) - Number(isHopeless(task, told, b.key)));
  for (const { key, reason } of failures) if (key !== null) await manifest.note({ key, failed: reason });
  for (const key of gone) await manifest.note({ key, gone: true });
  await manifest.close();
  return {
    objects: result.objects,
    bytes: result.bytes,
    verified: result.verified - overruled.length,
    gone: gone.size,
    copied: 0,
    copiedBytes: 0,
    extra: result.extra.length,
    failed: failures.length,
    unlisted: 0,
    failures: failures.slice(0, MOST_NAMED),
  };
}

function failuresOf({ mismatched, missing, failed }: VerifyResult, otherwise: string): CopyFailure[] {
  return [
    ...mismatched.map(({ key, reason, expected, measured }) => ({
      key,
      reason: `${reason}: expected ${expected}, measured ${measured}`,
    })),
    ...failed,
    ...missing.map((key) => ({ key, reason: otherwise })),
  ];
}

/**
 * Copies anew what the verification found to be other bytes: by size and time it looks like the source's. What cannot
 * be is named with the reason, and the next verification judges it.
 */
async function repair(
  task: PartitionTask,
  broken: readonly FailedObject[],
): Promise<{ copied: number; bytes: number; failed: CopyFailure[] }> {
  let [copied, bytes] = [0, 0];
  const failed: CopyFailure[] = [];
  const keys = async function* (): AsyncGenerator<string> {
    for (const { key } of broken) if (key !== null) yield key;
  };
  await eachAtOnce(keys(), task.concurrency, async (key) => {
    try {
      const listed = await task.from.head(key);
      const arrived = listed === null ? null : await copyOne(task, listed, task.signal);
      if (arrived === null) return;
      task.onMoved(1, arrived.size);
      copied++;
      bytes += arrived.size;
    } catch (error) {
      task.signal.throwIfAborted();
      failed.push({ key, reason: errorText(error) });
    }
  });
  return { copied, bytes, failed };
}
