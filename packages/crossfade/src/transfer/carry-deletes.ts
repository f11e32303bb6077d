import type { ObjectStore } from '../providers/providers.ts';
import { errorText } from '../rollout/error-text.ts';
import type { CopyFailure } from './copy.ts';
import { mergeListings } from './merge-listings.ts';

/** Keys that are looked up in one go; what is beyond is left to the next pass. */
const MOST_LOOKED_UP = 10_000;
/** So many deletes are believed in any case, and else this share of all keys: more are a loss of the source's. */
const FEW = 20;
const SHARE = 0.05;

export interface CarryDeletesOptions {
  readonly from: ObjectStore;
  readonly to: ObjectStore;
  readonly signal: AbortSignal;
  /** Which of these keys were surely copied from the source: only those can have been deleted there since. */
  wereCopied(keys: ReadonlySet<string>): Promise<ReadonlySet<string>>;
}

export interface CarriedDeletes {
  readonly deleted: readonly string[];
  /** In the target only, and never copied as far as is known: not ours to delete. */
  readonly foreign: number;
  /** Could not be asked for or deleted: each is its own, and the others are carried on. */
  readonly failed: readonly CopyFailure[];
  /** Were copied, and so many have gone that the source seems to have lost them: nothing was deleted. */
  readonly suspicious: readonly string[];
}

/**
 * What was deleted in the source since it was copied is deleted in the target, so that nobody finds there what its
 * owner has deleted. Only while the source alone is written to. Each key needs three proofs: it was copied, the
 * source's listing lacks it, and the source says once more that it is not there.
 * @throws ProviderError when a listing cannot be read
 */
export async function carryDeletes(options: CarryDeletesOptions): Promise<CarriedDeletes> {
  const { from, to, signal } = options;
  const targetOnly = new Set<string>();
  let keys = 0;
  let foreign = 0;
  for await (const { key, from: source } of mergeListings(from.list(), to.list())) {
    signal.throwIfAborted();
    keys++;
    if (source === null && targetOnly.size < MOST_LOOKED_UP) targetOnly.add(key);
    else if (source === null) foreign++;
  }
  const copied = targetOnly.size === 0 ? new Set<string>() : await options.wereCopied(targetOnly);
  const gone = [...targetOnly].filter((key) => copied.has(key));
  foreign += targetOnly.size - gone.length;
  if (gone.length > Math.max(FEW, keys * SHARE)) return { deleted: [], foreign, failed: [], suspicious: gone };
  const deleted: string[] = [];
  const failed: CopyFailure[] = [];
  for (const key of gone) {
    signal.throwIfAborted();
    try {
      // A listing ages while it is read: it may have come back since.
      if ((await from.head(key)) !== null) continue;
      await to.delete(key);
      deleted.push(key);
    } catch (error) {
      signal.throwIfAborted();
      failed.push({ key, reason: errorText(error) });
    }
  }
  return { deleted, foreign, failed, suspicious: [] };
}
