import type { ObjectHead } from '../../providers/providers.ts';
import { errorText } from '../../rollout/error-text.ts';
import { eachAtOnce } from '../each-at-once.ts';
import { isPlainMd5 } from '../composite-etag.ts';
import { mergeListings, type KeyPair } from '../merge-listings.ts';
import type { KeyTurns } from './key-turns.ts';
import { NO_EVIDENCE, type SeenEvents } from './seen-events.ts';
import type { Refusal } from './refusals.ts';
import { noneSettled, settleKey, type KeyEvidence, type MirrorStores, type Settled } from './settle-key.ts';
import type { Concurrency } from '../pace.ts';

export interface SweepOptions {
  readonly stores: MirrorStores;
  readonly seen: SeenEvents;
  readonly turns: KeyTurns;
  /** Keys that are settled at once. */
  readonly concurrency: Concurrency;
  /**
   * Epoch ms: two objects of one size that are both older, and whose ETags cannot be compared, were compared by then
   * and are not read again. `null` reads them.
   */
  readonly settledBefore: number | null;
  /** Told of each object of R2's listing, before it is looked at. */
  readonly onListed?: ((object: ObjectHead) => void) | undefined;
}

export interface SweepResult {
  /** Keys of either side. */
  readonly keys: number;
  readonly copied: number;
  readonly deleted: number;
  /** Legacy has its own: a newer direct upload, a delete, or the original of a copy. */
  readonly kept: readonly string[];
  /** In legacy only, and nothing proves that R2's was deleted. */
  readonly unproven: readonly string[];
  /** In R2, and refused by legacy for what they are. */
  readonly refused: readonly Refusal[];
  readonly failed: readonly { readonly key: string; readonly reason: string }[];
}

/** Keys whose past is looked up in one go; what is beyond waits for the next sweep. */
const MOST_LOOKED_UP = 10_000;
/** So many keys may vanish from R2 without an event: more are a loss of R2's rather than deletes whose events were lost. */
const MOST_UNANNOUNCED = 20;

/**
 * Compares the listings of both sides, for the events that were lost: what R2 has and legacy lacks or has otherwise is
 * copied, and what R2 once had and has no more is deleted, where that is proven. Memory stays flat: only keys that
 * differ and whose past decides are held. One key's failure stops no other: it is in `failed`.
 * @throws ProviderError when a listing cannot be read
 */
export async function sweep(options: SweepOptions): Promise<SweepResult> {
  const { stores, turns, concurrency } = options;
  const counts = noneSettled();
  const named: Record<'kept' | 'unproven', string[]> = { kept: [], unproven: [] };
  const failed: { key: string; reason: string }[] = [];
  const pastDecides: KeyPair[] = [];
  let keys = 0;
  /** Refused before, and not yet come by in this listing. */
  const refusedBefore = new Set(stores.refusals.all().map(({ key }) => key));

  const note = (key: string, settled: Settled): void => {
    counts[settled]++;
    if (settled === 'kept' || settled === 'unproven') named[settled].push(key);
  };
  async function settle(key: string, evidence: KeyEvidence): Promise<void> {
    refusedBefore.delete(key);
    try {
      note(key, await turns.inTurn(key, () => settleKey(stores, key, evidence)));
    } catch (error) {
      stores.signal.throwIfAborted();
      failed.push({ key, reason: errorText(error) });
    }
  }
  async function* different(): AsyncGenerator<KeyPair> {
    for await (const pair of mergeListings(stores.r2.list(), stores.legacy.list())) {
      stores.signal.throwIfAborted();
      keys++;
      if (pair.from !== null) options.onListed?.(pair.from);
      if (isInStep(pair, options)) continue;
      if (!doesPastDecide(pair, stores)) yield pair;
      else if (pastDecides.length < MOST_LOOKED_UP) pastDecides.push(pair);
      else failed.push({ key: pair.key, reason: `more than ${MOST_LOOKED_UP} keys differ: left to the next sweep` });
    }
  }
  await eachAtOnce(different(), concurrency, ({ key }) => settle(key, NO_EVIDENCE));

  const past = await options.seen.evidenceOf(new Set(pastDecides.map(({ key }) => key)));
  const vanished = pastDecides.filter(({ key, from }) => from === null && (past.get(key)?.deletedAt ?? null) === null);
  // Without proof nothing is asked: it may be the most of a bucket that was never all copied.
  const nothingKnown = new Set(vanished.filter((pair) => isUnknown(pair, past.get(pair.key), stores.switchedAt)));
  const mayConclude = vanished.length - nothingKnown.size <= MOST_UNANNOUNCED;
  await eachAtOnce(toAsync(pastDecides), concurrency, async (pair) => {
    if (nothingKnown.has(pair)) note(pair.key, 'unproven');
    else await settle(pair.key, { ...(past.get(pair.key) ?? NO_EVIDENCE), mayConclude });
  });
  // Neither store lists them: they were deleted in R2, and no event told of it.
  await eachAtOnce(toAsync([...refusedBefore]), concurrency, (key) => settle(key, NO_EVIDENCE));
  return { keys, copied: counts.copied, deleted: counts.deleted, ...named, refused: stores.refusals.all(), failed };
}

function isInStep({ from, to }: KeyPair, { stores, settledBefore }: SweepOptions): boolean {
  if (from === null || to === null || from.size !== to.size) return false;
  if (from.etag !== '' && from.etag === to.etag) return true;
  if (isPlainMd5(from.etag) && isPlainMd5(to.etag)) return false;
  const bothBefore = (time: number | null): boolean => time !== null && writtenAt(from) < time && writtenAt(to) < time;
  // What is older than the switch was verified with it.
  return bothBefore(stores.switchedAt) || bothBefore(settledBefore);
}

/** Whether it takes more than what the stores hold now to decide about a key. */
function doesPastDecide({ from }: KeyPair, { switchedAt }: SweepOptions['stores']): boolean {
  return from === null || switchedAt === null || writtenAt(from) < switchedAt;
}

/** Nothing is known of it, and it is too old for a copy of the mirror's, whose mark would say that it was in R2. */
function isUnknown({ to }: KeyPair, evidence: KeyEvidence | undefined, switchedAt: number | null): boolean {
  if (evidence !== undefined) return false;
  return to !== null && switchedAt !== null && writtenAt(to) < switchedAt;
}

const writtenAt = ({ lastModified }: ObjectHead): number => Date.parse(lastModified);

async function* toAsync<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  yield* items;
}
