import type { ObjectStore } from '../../providers/providers.ts';
import { errorText } from '../../rollout/error-text.ts';
import { copyOne } from '../copy-one.ts';
import { mergeListings } from '../merge-listings.ts';
import { carrying, isMirrored } from './object-marks.ts';
import type { SeenEvents } from './seen-events.ts';

/** Far more than come in the minutes in which names still lead to legacy; the rest is left to another call. */
const MOST_LOOKED_AT = 10_000;

export interface LateUploads {
  readonly r2: ObjectStore;
  readonly legacy: ObjectStore;
  readonly seen: Pick<SeenEvents, 'evidenceOf'>;
  readonly signal: AbortSignal;
}

export interface CarriedUploads {
  readonly carried: string[];
  /** What could not be carried, and why; each is tried again by the next call. */
  readonly failed: { key: string; reason: string }[];
}

/**
 * Uploads that reached legacy after the last catch-up, from whoever still had its old address: they are in legacy
 * only, the mirror did not write them, and no manifest and no event says that R2 ever had them. Those are copied to
 * R2; what R2 once had and has no more was deleted there, and stays so. One that cannot be
 * copied does not keep back the others.
 * @throws ProviderError when a listing cannot be read
 */
export async function carryLateUploads({ r2, legacy, seen, signal }: LateUploads): Promise<CarriedUploads> {
  const legacyOnly = new Set<string>();
  for await (const { key, from, to } of mergeListings(legacy.list(), r2.list())) {
    signal.throwIfAborted();
    if (from !== null && to === null && legacyOnly.size < MOST_LOOKED_AT) legacyOnly.add(key);
  }
  const evidence = await seen.evidenceOf(legacyOnly);
  const done: CarriedUploads = { carried: [], failed: [] };
  for (const key of legacyOnly) {
    if (evidence.has(key)) continue;
    try {
      const source = await legacy.head(key);
      if (source === null || isMirrored(source.meta) || (await r2.head(key)) !== null) continue;
      if ((await copyOne({ from: legacy, to: carrying(r2) }, source, signal)) !== null) done.carried.push(key);
    } catch (error) {
      signal.throwIfAborted();
      done.failed.push({ key, reason: errorText(error) });
    }
  }
  return done;
}
