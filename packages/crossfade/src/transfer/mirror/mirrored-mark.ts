import * as v from 'valibot';
import type { ObjectMeta, ObjectStore } from '../../providers/providers.ts';

/** Metadata of every object that the mirror wrote to legacy: the ETag that R2's had. A direct upload replaces it. */
const MARK = 'crossfade-mirrored';

/**
 * Whether the mirror wrote it. Only then may R2's win over a legacy object that looks younger: a copy is always younger
 * than what it was made from, so times cannot tell it from a direct upload.
 */
export const isMirrored = ({ custom }: ObjectMeta): boolean => MARK in custom;

/** Metadata of an object in R2 that legacy has as well (`apps/media-worker/src/legacy-mark.ts`). */
const LEGACY_HAS = 'crossfade-legacy';
const legacyMark = v.picklist(['written-to-both', 'carried-over']);

/**
 * How it is known that legacy had an object of R2's too: the Worker wrote it to both, or it was read from legacy since
 * production writes to R2. `null` where nothing is said.
 */
export function legacyHas({ custom }: ObjectMeta): v.InferOutput<typeof legacyMark> | null {
  const said = v.safeParse(legacyMark, custom[LEGACY_HAS]);
  return said.success ? said.output : null;
}

/** Legacy, which marks whatever is put there as the mirror's. */
export const marking = (legacy: ObjectStore, r2Etag: string): ObjectStore => withCustom(legacy, { [MARK]: r2Etag });

/** R2, which marks whatever is put there as read from legacy. For what is carried once production writes to R2. */
export const carrying = (r2: ObjectStore): ObjectStore => withCustom(r2, { [LEGACY_HAS]: 'carried-over' });

/** A mark goes up with the bytes: no crash parts them. */
function withCustom(store: ObjectStore, marks: Readonly<Record<string, string>>): ObjectStore {
  const marked = (meta: ObjectMeta): ObjectMeta => ({ ...meta, custom: { ...meta.custom, ...marks } });
  const { createUpload, putCopy: _unmarked, ...rest } = store;
  return {
    ...rest,
    put: (key, body, size, meta, md5) => store.put(key, body, size, marked(meta), md5),
    ...(createUpload === undefined ? {} : { createUpload: (key, meta) => createUpload(key, marked(meta)) }),
  };
}
