import { until } from '../../rollout/until.ts';
import { compareObject } from '../compare-object.ts';
import type { ObjectStore } from '../../providers/providers.ts';
import { eachAtOnce } from '../each-at-once.ts';
import { isMirrored } from './object-marks.ts';
import type { Concurrency } from '../pace.ts';

interface Stores {
  readonly r2: ObjectStore;
  readonly legacy: ObjectStore;
  readonly concurrency: Concurrency;
  readonly signal: AbortSignal;
}

/** What is on its way between the two stores (a delete takes one after the other) has arrived by then, ms. */
const SETTLED_MS = 2000;
const LOOK_EVERY_MS = 200;
/** More than so many are no coincidence: they are not looked at again one by one. */
const MOST_LOOKED_AT = 500;
/** A store may tell its times to the second, rounded down, ms. */
const ROUNDED_MS = 1000;

/**
 * Which of these keys legacy really lacks, or has in an older version than R2. Two listings are not of the same
 * moment: where users go on writing to legacy, a key that was deleted or written over in between looks missing.
 */
export async function stillMissing(stores: Stores, keys: readonly string[]): Promise<string[]> {
  const { concurrency, signal } = stores;
  const missing: string[] = keys.slice(MOST_LOOKED_AT);
  await eachAtOnce(keys.slice(0, MOST_LOOKED_AT), concurrency, async (key) => {
    const looked = await until(
      () => isBehind(stores, key),
      (behind) => !behind,
      { timeoutMs: SETTLED_MS, everyMs: LOOK_EVERY_MS, signal },
    ).catch(() => {
      signal.throwIfAborted();
      // A key that cannot be looked at, as one that legacy cannot hold, is not known to be there.
      return { reading: true };
    });
    if (looked.reading) missing.push(key);
  });
  return missing;
}

async function isBehind({ r2, legacy, signal }: Stores, key: string): Promise<boolean> {
  const [source, target] = await Promise.all([r2.head(key), legacy.head(key)]);
  if (source === null) return false;
  if (target === null) return true;
  const { equal } = await compareObject({ from: r2, to: legacy }, source, target, { deep: false, signal });
  if (equal) return false;
  // What a user wrote to legacy itself since is the later version.
  return isMirrored(target.meta) || Date.parse(target.lastModified) + ROUNDED_MS <= Date.parse(source.lastModified);
}
