import { differingMeta, lostMeta, NO_META } from '../../providers/object-meta.ts';
import type { ObjectHead } from '../../providers/providers.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { needOf } from '../../transfer/copy.ts';
import { copyOne } from '../../transfer/copy-one.ts';
import { eachAtOnce } from '../../transfer/each-at-once.ts';
import { keptMeta } from '../../transfer/kept-meta.ts';
import { mergeListings, type KeyPair } from '../../transfer/merge-listings.ts';
import { carriedOver, carrying } from '../../transfer/mirror/object-marks.ts';

/**
 * Gives the copies that somebody else's service made the metadata that our own copy would have given them: what such a
 * service drops no comparison of bytes shows. Copies of our own bear a mark, and are passed over. R2 copies an object
 * onto itself, so the bytes stay where they are.
 * @param which `each` copy that lacks our marks, or only what `lost` something of the original's metadata
 * @returns how many were described anew
 */
export async function describeCopies(
  { config, providers, signal }: RolloutContext,
  which: 'each' | 'lost',
): Promise<number> {
  const { legacyStore: legacy, r2 } = providers;
  let described = 0;
  async function describe({ key, from, to }: KeyPair): Promise<void> {
    if (from === null || to === null) return;
    const held = await r2.production.head(key);
    if (held === null || held.etag !== to.etag || held.meta.custom['mtime'] === timeOf(from)) return;
    const original = await legacy.head(key);
    if (original === null || original.etag !== from.etag) return;
    const meta = carriedOver(keptMeta(original.meta, from));
    if (differingMeta(held.meta, meta).length === 0) return;
    if (which === 'lost' && lostMeta(original.meta, held.meta).length === 0) return;
    const itself = r2.production.copySource?.(key);
    const stored = itself && (await r2.production.putCopy?.(key, itself, held, async () => meta));
    if (!stored) await copyOne({ from: legacy, to: carrying(r2.production) }, from, signal);
    described++;
  }
  await eachAtOnce(mergeListings(legacy.list(), r2.production.list()), config.transfer.concurrency, (pair) => {
    signal.throwIfAborted();
    return isCopy(pair) ? describe(pair) : undefined;
  });
  return described;
}

/** Whether our own copy would leave it as it is: what it would copy anyway must not look younger than it is. */
function isCopy({ from, to }: KeyPair): boolean {
  if (from === null || to === null) return false;
  const need = needOf(from, to);
  return need === 'present' || (need === 'unsure' && Date.parse(to.lastModified) > Date.parse(from.lastModified));
}

/** As our own copy notes the original's time. */
const timeOf = (listed: ObjectHead): string | undefined => keptMeta(NO_META, listed).custom['mtime'];
