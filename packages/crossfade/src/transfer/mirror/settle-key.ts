import type { ObjectHead, ObjectMeta, ObjectStore } from '../../providers/providers.ts';
import { lostMeta } from '../../providers/object-meta.ts';
import { isRefusedForGood } from '../../providers/provider-error.ts';
import { errorText } from '../../rollout/error-text.ts';
import { compareObject } from '../compare-object.ts';
import { copyOne } from '../copy-one.ts';
import { listedEntry } from '../listed-entry.ts';
import { ObjectChanged, sha256Of } from '../object-body.ts';
import { isMirrored, legacyHas, marking, withoutMarks } from './object-marks.ts';
import type { Refusals } from './refusals.ts';

export interface MirrorStores {
  readonly r2: ObjectStore;
  readonly legacy: ObjectStore;
  /** When production began to write to R2, epoch ms; `null` before. What R2 held by then are copies of legacy's. */
  readonly switchedAt: number | null;
  /** What was in legacy once: what legacy lacks of it was deleted there since. Absent while production alone is written to. */
  readonly settled?: SettledObjects | null;
  /** What legacy was found to refuse. */
  readonly refusals: Refusals;
  readonly signal: AbortSignal;
}

/** What R2 held when the mirror had come to rest. */
export interface SettledObjects {
  /** Whatever R2 wrote before, epoch ms. */
  readonly before: number;
  /** ETags of what it wrote since, by key: no two clocks have to agree about a moment. */
  readonly since: ReadonlyMap<string, string>;
}

/** What is known of a key besides what the stores hold now. Times in epoch ms; `null` when no event says so. */
export interface KeyEvidence {
  readonly deletedAt: number | null;
  readonly putAt: number | null;
  /** Whether the manifest of the verified copy has it: legacy held it, and R2 the same bytes. */
  readonly wasCopied: boolean;
  /**
   * Whether it may be deleted from legacy without an event that says so, since it was in R2 and is no more. Left to
   * whoever sees how many such keys there are: R2 may have lost them.
   */
  readonly mayConclude: boolean;
}

export type Settled =
  /** Legacy holds what R2 holds, or neither holds it. */
  | 'in step'
  | 'copied'
  | 'deleted'
  /** Legacy has its own: a newer direct upload, or the original of a copy that was made before the switch. */
  | 'kept'
  /** R2 lacks it and nothing proves that it was deleted there. */
  | 'unproven'
  /** Legacy refuses it for what it is: nothing is left to try, and a rollback cannot bring it back. */
  | 'refused';

type Head = ObjectHead & { readonly meta: ObjectMeta };

/** A key that changed each time that it was looked at so often is left to the event of its latest change. */
const LOOKS = 6;

/** Nothing is settled yet; `Record` makes every way to end count. */
export const noneSettled = (): Record<Settled, number> => ({
  'in step': 0,
  copied: 0,
  deleted: 0,
  kept: 0,
  unproven: 0,
  refused: 0,
});

/**
 * Brings legacy in step with what R2 holds now under one key. What counts is R2's state, not the event that led here,
 * so events may come twice, late or in any order. It looks again after each change until nothing is left to do: what it
 * answers was seen. One key must not be settled twice at once.
 * @throws ProviderError, and Error when legacy does not show what was written
 */
export async function settleKey(stores: MirrorStores, key: string, evidence: KeyEvidence): Promise<Settled> {
  const settled = await settle(stores, key, evidence);
  if (settled !== 'refused') stores.refusals.forget(key);
  return settled;
}

async function settle(stores: MirrorStores, key: string, evidence: KeyEvidence): Promise<Settled> {
  const { r2, legacy, refusals } = stores;
  const unheld = legacy.refuses?.(key) ?? null;
  let done: Settled = 'in step';
  for (let look = 1; look <= LOOKS; look++) {
    stores.signal.throwIfAborted();
    // A store that can hold nothing under a key does not answer "not there" for it, but an error.
    const [source, target] = await Promise.all([r2.head(key), unheld === null ? legacy.head(key) : null]);
    if (source !== null && unheld !== null) {
      refusals.note(key, source.etag, unheld);
      return 'refused';
    }
    const next =
      source === null
        ? await decideAbsent(stores, target, evidence, done === 'copied')
        : await decidePresent(stores, source, target, evidence, done === 'copied');
    if (next === 'copy' && source !== null) {
      const copied = await copyBack(stores, source);
      if (copied === 'refused') return copied;
      if (copied) done = 'copied';
    } else if (next === 'delete') {
      await stores.legacy.delete(key);
      done = 'deleted';
    } else if (next !== 'copy') {
      if (done === 'copied' && source !== null && target !== null)
        refusals.noteDropped(key, lostMeta(withoutMarks(source.meta), withoutMarks(target.meta)));
      return next === 'in step' ? done : next;
    }
  }
  throw new Error(`${key} changed ${LOOKS} times while it was mirrored`);
}

type Next = 'copy' | 'delete' | Exclude<Settled, 'copied' | 'deleted' | 'refused'>;

/** `justCopied`: R2 had it a moment ago, and legacy's was written from that. */
async function decideAbsent(
  stores: MirrorStores,
  target: Head | null,
  evidence: KeyEvidence,
  justCopied: boolean,
): Promise<Next> {
  if (target === null) return 'in step';
  const written = Date.parse(target.lastModified);
  const { deletedAt, putAt, wasCopied, mayConclude } = evidence;
  const ours = isMirrored(target.meta);
  if (justCopied && ours) {
    // Deleted while it was copied, past this copy: who deleted found nothing in legacy yet. The event may be long in
    // coming, and after the last drain nobody would wait for it.
  } else if (deletedAt !== null) {
    // Somebody uploaded it to legacy itself, after R2's was deleted.
    if (!ours && written >= deletedAt) return 'kept';
  } else {
    // What the mirror wrote was in R2 by that alone.
    const wasInR2 = ours || putAt !== null || wasCopied;
    const older = ours || (stores.switchedAt !== null && written < stores.switchedAt);
    if (!mayConclude || !wasInR2 || !older) return 'unproven';
  }
  // A 404 of a HEAD has no body, and a proxy's looks the same: only a listing without it is R2's own word.
  return (await listedEntry(stores.r2, target.key)) === null ? 'delete' : 'copy';
}

async function decidePresent(
  { r2, legacy, switchedAt, settled, signal }: MirrorStores,
  source: Head,
  target: Head | null,
  { wasCopied, putAt }: KeyEvidence,
  justCopied: boolean,
): Promise<Next> {
  const written = Date.parse(source.lastModified);
  const marked = legacyHas(source.meta);
  const wasCopiedBefore = wasCopied && putAt === null && (switchedAt === null || written < switchedAt);
  const isCopy = marked === 'carried-over' || wasCopiedBefore;
  // Legacy has deleted the original since, past the Worker: bringing it back would undo that.
  const wasSettled =
    settled != null &&
    (written < settled.before || settled.since.get(source.key) === source.etag || marked === 'written-to-both');
  if (target === null) return isCopy || wasSettled ? 'kept' : 'copy';
  const { equal } = await compareObject({ from: r2, to: legacy }, source, target, { deep: false, signal });
  if (equal) {
    // The same bytes, put again with another type or title. What legacy does not keep is not sent twice in a row.
    const isPutAgain =
      putAt !== null && !isCopy && !wasSettled && !justCopied && written >= Date.parse(target.lastModified);
    const differs = lostMeta(withoutMarks(source.meta), withoutMarks(target.meta)).length > 0;
    return isPutAgain && differs ? 'copy' : 'in step';
  }
  // Legacy had this version: what it has instead was written over it since, whatever mark it bears.
  if (wasSettled) return 'kept';
  if (isMirrored(target.meta)) return 'copy';
  // Of a copy that differs from its original, the original is right; of two uploads, the newer one.
  if (isCopy) return 'kept';
  return Date.parse(target.lastModified) > written ? 'kept' : 'copy';
}

/** Copies and reads back: legacy accepts bytes that do not fit their checksum. `false` when R2 has another one by now, or none. */
async function copyBack(
  { r2, legacy, refusals, signal }: MirrorStores,
  source: Head,
): Promise<boolean | Extract<Settled, 'refused'>> {
  const { key } = source;
  if (refusals.reasonFor(key, source.etag) !== null) return 'refused';
  const copied = await copyOne({ from: r2, to: marking(legacy, source.etag) }, source, signal).catch(
    (error: unknown) => {
      // It is another one by now: that one is looked at next.
      if (error instanceof ObjectChanged) return null;
      if (!isRefusedForGood(error)) throw error;
      refusals.note(key, source.etag, errorText(error));
      return 'refused' as const;
    },
  );
  if (copied === 'refused') return copied;
  if (copied === null) return false;
  const stored = await sha256Of(legacy, key, signal);
  // What went up in parts was hashed part by part.
  const sent = copied.sha256 ?? (await sha256Of(r2, key, signal));
  if (stored === null) throw new Error(`${legacy.label} took ${key} and does not have it`);
  if (stored !== sent)
    throw new Error(`${legacy.label} holds other bytes of ${key} (SHA-256 ${stored}) than were sent (${sent})`);
  return true;
}
