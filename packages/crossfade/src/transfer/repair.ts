import type { ObjectHead, ObjectStore } from '../providers/providers.ts';
import { copyObjects, type CopyOptions } from './copy.ts';
import { compareKeys } from './key-range.ts';
import { verifyObjects, type VerifyOptions } from './verify.ts';

/** Keys that are taken up together. */
const BATCH = 10_000;

export interface RepairOptions {
  readonly copy: CopyOptions;
  /** How what was copied again is verified: with the same depth as before. */
  readonly verify: VerifyOptions;
}

/**
 * Copies these objects again, whatever the listings say of them, and verifies them again. What stays wrong is told to
 * the options' own `onFailed` and `onFinding`.
 */
export async function repairObjects(
  keys: AsyncIterable<string>,
  { copy, verify }: RepairOptions,
): Promise<{ copied: number; verified: number }> {
  let [copied, verified] = [0, 0];
  for await (const batch of inBatches(keys)) {
    const result = await copyObjects({ ...copy, from: onlyThese(copy.from, batch), to: listingNothing(copy.to) });
    copied += result.copied;
    const again = { from: onlyThese(verify.from, batch), to: onlyThese(verify.to, batch) };
    verified += (await verifyObjects({ ...verify, ...again })).verified;
  }
  return { copied, verified };
}

async function* inBatches(keys: AsyncIterable<string>): AsyncGenerator<string[]> {
  let batch: string[] = [];
  for await (const key of keys) {
    batch.push(key);
    if (batch.length < BATCH) continue;
    yield batch.sort(compareKeys);
    batch = [];
  }
  if (batch.length > 0) yield batch.sort(compareKeys);
}

function onlyThese(store: ObjectStore, keys: readonly string[]): ObjectStore {
  return {
    ...store,
    async *list(prefix = '', after = ''): AsyncGenerator<ObjectHead> {
      for (const key of keys) {
        if (!key.startsWith(prefix) || compareKeys(key, after) <= 0) continue;
        const found = await store.head(key);
        if (found !== null) yield found;
      }
    },
  };
}

/** To a copy, nothing is there yet. */
function listingNothing(store: ObjectStore): ObjectStore {
  return { ...store, async *list() {} };
}
