import { setTimeout as wait } from 'node:timers/promises';
import { backOffMs } from '../providers/retry.ts';
import type { ObjectHead, ObjectMeta, ObjectStore } from '../providers/providers.ts';
import { compareObject, type Comparison } from './compare-object.ts';
import type { CopyFailure } from './copy.ts';
import { SYSTEM_HEADER_NAMES, SYSTEM_HEADERS } from '../providers/object-meta.ts';
import { demandListedSize, listedEntry, ListedNotThere } from './listed-entry.ts';
import { unheldIn, untoldText } from './lost-metadata.ts';
import { metaDifferences } from './metadata-differences.ts';
import type { Mismatch, VerifyOptions } from './verify.ts';

/** Looks at an object that is listed and not there: a listing may be a moment behind a delete. */
const LOOKS = 3;

export type Judged =
  | { readonly is: 'gone' }
  | { readonly is: 'missing'; readonly source: ObjectHead }
  | { readonly is: 'different'; readonly source: ObjectHead; readonly mismatch: Mismatch }
  | { readonly is: 'metadata'; readonly source: ObjectHead; readonly mismatch: Mismatch | CopyFailure }
  | {
      readonly is: 'equal';
      readonly source: ObjectHead;
      readonly target: ObjectHead;
      readonly found: Comparison & { readonly equal: true };
      /** Headers of the source that the target cannot hold, as far as both were asked. */
      readonly unheld?: readonly string[];
    };

/**
 * What is to be said of one listed object. What looks wrong by the listings, which age while they are read, is looked
 * at once more.
 * @throws when that cannot be found out: whatever a store answers, or `ListedNotThere`; it is this object's failure
 */
export async function judgeObject(
  options: Pick<VerifyOptions, 'from' | 'to' | 'deep' | 'signal'>,
  source: ObjectHead,
  target: ObjectHead | null,
): Promise<Judged> {
  const { from, to, deep = false, signal } = options;
  const compare = (one: ObjectHead, other: ObjectHead): Promise<Comparison> =>
    compareObject(options, one, other, { deep, signal });
  let listed: Comparison | null = null;
  if (target !== null) {
    // What fails here is compared again below, and that failure is told.
    listed = await compare(source, target).catch(() => null);
    signal.throwIfAborted();
    if (listed?.equal === true) return described(options, source, target, listed);
  }
  const [sourceNow, targetNow] = await Promise.all([presentIn(from, source.key, signal), to.head(source.key)]);
  if (sourceNow === null) return { is: 'gone' };
  await demandListedSize(from, source, sourceNow);
  if (targetNow === null) return { is: 'missing', source: sourceNow };
  const isUnchanged = sourceNow.etag === source.etag && targetNow.etag === target?.etag;
  const comparison = isUnchanged && listed !== null ? listed : await compare(sourceNow, targetNow);
  if (comparison.equal) return described(options, sourceNow, targetNow, comparison);
  const { reason, expected, measured } = comparison;
  return { is: 'different', source: sourceNow, mismatch: { key: source.key, reason, expected, measured } };
}

/** Equal bytes are equal objects only with the same metadata; a deep look compares both. */
async function described(
  { from, to, deep = false }: Pick<VerifyOptions, 'from' | 'to' | 'deep'>,
  source: ObjectHead,
  target: ObjectHead,
  found: Comparison & { readonly equal: true },
): Promise<Judged> {
  const equal: Judged = { is: 'equal', source, target, found };
  if (!deep) return equal;
  const [one, other] = await Promise.all([from.head(source.key), to.head(source.key)]);
  if (one === null || other === null) return equal;
  const names = metaDifferences({ from, to }, one, other);
  // As many that neither tells are the same ones, which the store has copied by itself.
  const untold = one.meta.untold === other.meta.untold ? null : untoldText(from.label, one.meta.untold);
  if (untold !== null) {
    const reason = [...names, untold].join(', ');
    return { is: 'metadata', source, mismatch: { key: source.key, reason } };
  }
  if (names.length === 0) return { ...equal, unheld: unheldIn(to, one.meta) };
  const [expected, measured] = [one, other].map(({ meta }) => names.map((name) => textOf(meta, name)).join(', '));
  const mismatch = { key: source.key, reason: names.join(', '), expected: expected ?? '', measured: measured ?? '' };
  return { is: 'metadata', source, mismatch };
}

function textOf(meta: ObjectMeta, name: string): string {
  const field = SYSTEM_HEADER_NAMES.find((one) => SYSTEM_HEADERS[one] === name);
  const value = field === undefined ? meta.custom[name.slice('x-amz-meta-'.length)] : meta[field];
  return value === undefined || value === null ? 'nothing' : JSON.stringify(value);
}

/** `null` only when the listing has lost it as well. @throws ListedNotThere */
async function presentIn(
  store: ObjectStore,
  key: string,
  signal: AbortSignal,
): Promise<(ObjectHead & { meta: ObjectMeta }) | null> {
  for (let look = 1; ; look++) {
    const found = await store.head(key);
    if (found !== null) return found;
    if ((await listedEntry(store, key)) === null) return null;
    if (look === LOOKS) throw new ListedNotThere(store.label);
    await wait(backOffMs(look), null, { signal });
  }
}
