import { setTimeout as wait } from 'node:timers/promises';
import { isRetryable, ProviderError } from '../../providers/provider-error.ts';
import type { ObjectStore } from '../../providers/providers.ts';
import { backOffMs } from '../../providers/retry.ts';
import { errorText } from '../../rollout/error-text.ts';
import { copyOne } from '../copy-one.ts';
import { copyObjects } from '../copy.ts';
import { eachAtOnce } from '../each-at-once.ts';
import type { KeyRange } from '../key-range.ts';
import { TransferStopped } from '../stop-early.ts';
import { verifyObjects, type VerifiedObject, type VerifyResult } from '../verify.ts';
import type { FailedObject, PartitionResult } from './shared-transfer.ts';

/** Rounds in a row in which nothing more arrived, though both stores answered. */
const ROUNDS_IN_VAIN = 6;
/** A store that does not answer at all is waited for so long, ms, since anything arrived last. */
const PATIENCE_MS = 10 * 60_000;
const MOST_NAMED = 100;

export interface PartitionTask {
  readonly from: ObjectStore;
  readonly to: ObjectStore;
  readonly range: KeyRange;
  readonly concurrency: number;
  readonly deep: boolean;
  readonly filter: ((key: string) => boolean) | undefined;
  /** Told of objects and bytes that arrived; fewer than none where an attempt was in vain. */
  readonly onMoved: (objects: number, bytes: number) => void;
  /** Opens a new part of the manifest: that of an earlier round counts no more. */
  readonly manifest: () => { write(object: VerifiedObject): Promise<void>; close(): Promise<void> };
  readonly signal: AbortSignal;
}

/**
 * Copies one range and proves that it arrived, again and again until it did: a store that is away for a while is
 * waited for. What was copied before is seen to be there, so that one who takes over copies only what is missing.
 * What will not arrive is in `failures`. Throws the signal's reason.
 */
export async function copyPartition(task: PartitionTask): Promise<PartitionResult> {
  const { signal } = task;
  let [copied, copiedBytes] = [0, 0];
  let inVain = 0;
  let arrived = performance.now();
  for (let round = 1; ; round++) {
    const before = copied;
    try {
      const copy = await copyRange(task);
      copied += copy.copied;
      copiedBytes += copy.bytes;
      const reasons: FailedObject[] = [...copy.failed];
      const verified = copy.failed.length > 0 ? null : await verifyRange(task);
      if (verified !== null) {
        const broken = failuresOf(verified);
        if (broken.length === 0) return resultOf(verified, copied, copiedBytes, []);
        const repaired = await repair(task, broken);
        copied += repaired.copied;
        copiedBytes += repaired.bytes;
        reasons.push(...repaired.failed);
      }
      inVain = copied > before ? 0 : inVain + 1;
      if (inVain >= ROUNDS_IN_VAIN) {
        const last = verified ?? (await verifyRange(task));
        return resultOf(last, copied, copiedBytes, named(reasons, failuresOf(last)));
      }
    } catch (error) {
      signal.throwIfAborted();
      // Many that fail in a row are as many as one: it is the last one's reason that tells whether it passes.
      const cause = error instanceof TransferStopped ? error.cause : error;
      const unclear = error instanceof TransferStopped && !(cause instanceof ProviderError);
      if (unclear) inVain++;
      const passing = unclear ? inVain < ROUNDS_IN_VAIN : isRetryable(cause);
      if (!passing || performance.now() - arrived > PATIENCE_MS) return { ...failedRange(error), copied, copiedBytes };
    }
    if (copied > before) arrived = performance.now();
    await wait(backOffMs(Math.min(round, ROUNDS_IN_VAIN)), null, { signal });
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
  return { objects: 0, bytes: 0, verified: 0, copied: 0, copiedBytes: 0, extra: 0, failed: 1, failures };
}

function ranged({ from, to, range, filter, concurrency, signal }: PartitionTask) {
  return { from, to, range, concurrency, signal, ...(filter === undefined ? {} : { filter }) };
}

function copyRange(task: PartitionTask) {
  let seen = { objects: 0, bytes: 0 };
  return copyObjects({
    ...ranged(task),
    onProgress: ({ objects, bytes }) => {
      task.onMoved(objects - seen.objects, bytes - seen.bytes);
      seen = { objects, bytes };
    },
  });
}

async function verifyRange(task: PartitionTask): Promise<VerifyResult> {
  const manifest = task.manifest();
  const result = await verifyObjects({ ...ranged(task), deep: task.deep, onVerified: (one) => manifest.write(one) });
  await manifest.close();
  return result;
}

function failuresOf({ mismatched, missing }: VerifyResult): FailedObject[] {
  return [
    ...mismatched.map(({ key, reason, expected, measured }) => ({
      key,
      reason: `${reason}: expected ${expected}, measured ${measured}`,
    })),
    ...missing.map((key) => ({ key, reason: 'missing in the target' })),
  ];
}

/** The copy says why it could not bring an object; the verification only that it is not there. */
function named(failed: readonly FailedObject[], broken: readonly FailedObject[]): FailedObject[] {
  const reasons = new Map(failed.map(({ key, reason }) => [key, reason]));
  return broken.map(({ key, reason }) => ({ key, reason: reasons.get(key) ?? reason }));
}

/**
 * Copies anew what the verification found to be other bytes: by size and time it looks like the source's. What cannot
 * be is named with the reason, and the next verification judges it.
 */
async function repair(
  task: PartitionTask,
  broken: readonly FailedObject[],
): Promise<{ copied: number; bytes: number; failed: FailedObject[] }> {
  let [copied, bytes] = [0, 0];
  const failed: FailedObject[] = [];
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

function resultOf(
  { objects, bytes, verified, extra }: VerifyResult,
  copied: number,
  copiedBytes: number,
  failures: readonly FailedObject[],
): PartitionResult {
  return {
    objects,
    bytes,
    verified,
    copied,
    copiedBytes,
    extra: extra.length,
    failed: failures.length,
    failures: failures.slice(0, MOST_NAMED),
  };
}
