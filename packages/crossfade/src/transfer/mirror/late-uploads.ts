import type { ObjectStore } from '../../providers/providers.ts';
import { copyOne } from '../copy-one.ts';
import { mergeListings } from '../merge-listings.ts';
import { isMirrored } from './mirrored-mark.ts';
import type { SeenEvents } from './seen-events.ts';

/** Far more than come in the minutes in which names still lead to legacy; the rest is left to another call. */
const MOST_LOOKED_AT = 10_000;

export interface LateUploads {
  readonly r2: ObjectStore;
  readonly legacy: ObjectStore;
  readonly seen: Pick<SeenEvents, 'evidenceOf'>;
  readonly signal: AbortSignal;
}

/**
 * Uploads that reached legacy after the last catch-up, from whoever still had its old address: they are in legacy
 * only, the mirror did not write them, and no manifest and no event says that R2 ever had them. Those are copied to
 * R2; what R2 once had and has no more was deleted there, and stays so. Answers with the keys that were copied.
 * @throws ProviderError when a listing cannot be read or an object cannot be copied
 */
export async function carryLateUploads({ r2, legacy, seen, signal }: LateUploads): Promise<string[]> {
  const legacyOnly = new Set<string>();
  for await (const { key, from, to } of mergeListings(legacy.list(), r2.list())) {
    signal.throwIfAborted();
    if (from !== null && to === null && legacyOnly.size < MOST_LOOKED_AT) legacyOnly.add(key);
  }
  const evidence = await seen.evidenceOf(legacyOnly);
  const carried: string[] = [];
  for (const key of legacyOnly) {
    if (evidence.has(key)) continue;
    const source = await legacy.head(key);
    if (source === null || isMirrored(source.meta) || (await r2.head(key)) !== null) continue;
    if ((await copyOne({ from: legacy, to: r2 }, source, signal)) !== null) carried.push(key);
  }
  return carried;
}
