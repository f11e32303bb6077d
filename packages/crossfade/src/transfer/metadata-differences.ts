import { differingMeta, SYSTEM_HEADERS } from '../providers/object-meta.ts';
import type { ObjectHead, ObjectMeta, ObjectStore } from '../providers/providers.ts';
import { isMirrored, legacyHas, MARKS } from './mirror/object-marks.ts';

type Stores = { readonly from: ObjectStore; readonly to: ObjectStore };
type Described = { readonly meta: ObjectMeta };

/** What stores say of an object that nothing was said of: S3, R2, Supabase Storage. */
const DEFAULT_TYPES: ReadonlySet<string | null> = new Set(['application/octet-stream', 'binary/octet-stream']);
const DEFAULT_CACHE = 'no-cache';

/**
 * Names of the headers in which a copy differs from its original. What either store cannot hold is no difference, nor
 * is what a store fills in by itself, nor what Crossfade adds: its marks, and the original's time where it had none.
 */
export function metaDifferences(
  { from, to }: Stores,
  { meta: source }: Described,
  { meta: target }: Described,
): string[] {
  const unheld = [...(from.unheldHeaders ?? []), ...(to.unheldHeaders ?? [])].map((field) => SYSTEM_HEADERS[field]);
  const ours = new Set<string>([...unheld, ...MARKS.map((mark) => `x-amz-meta-${mark}`)]);
  // A folder tells the file's own time as if it had been kept.
  if (source.custom['mtime'] === undefined || from.md5 !== undefined) ours.add('x-amz-meta-mtime');
  if (source.contentType === null && DEFAULT_TYPES.has(target.contentType)) ours.add('content-type');
  if (source.cacheControl === null && target.cacheControl === DEFAULT_CACHE) ours.add('cache-control');
  return differingMeta(source, target).filter((name) => !ours.has(name));
}

/** Whether an object whose bytes are the same was described anew in the source: a store's time tells of either. */
export function mayBeDescribedAnew(from: ObjectHead, to: ObjectHead): boolean {
  return Date.parse(from.lastModified) > Date.parse(to.lastModified);
}

/**
 * The same, asked of both stores; none where one of them has lost the object since, which is not settled here.
 * @throws what the stores answer
 */
export async function askMetaDifferences(stores: Stores, key: string): Promise<string[]> {
  const [source, target] = await Promise.all([stores.from.head(key), stores.to.head(key)]);
  if (source === null || target === null) return [];
  // The mirror wrote it from the target's, or the Worker wrote both: the target's is the original.
  if (isMirrored(source.meta) || legacyHas(target.meta) === 'written-to-both') return [];
  return metaDifferences(stores, source, target);
}
