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
/** Custom metadata that is Crossfade's own, and no part of what users store. */
export const MARKS: readonly string[] = [MARK, LEGACY_HAS];
const legacyMark = v.picklist(['written-to-both', 'carried-over']);

/**
 * How it is known that legacy had an object of R2's too: the Worker wrote it to both, or it was read from legacy, by us
 * or by the Worker. `null` where nothing is said.
 */
export function legacyHas({ custom }: ObjectMeta): v.InferOutput<typeof legacyMark> | null {
  const said = v.safeParse(legacyMark, custom[LEGACY_HAS]);
  return said.success ? said.output : null;
}

/** Legacy, which marks whatever is put there as the mirror's. */
export const marking = (legacy: ObjectStore, r2Etag: string): ObjectStore =>
  withMeta(legacy, (meta) => withMark(meta, MARK, r2Etag));

/** The metadata of a copy in R2 of legacy's. */
export const carriedOver = (meta: ObjectMeta): ObjectMeta => withMark(meta, LEGACY_HAS, 'carried-over');

/** R2, which marks whatever is put there as read from legacy. */
export const carrying = (r2: ObjectStore): ObjectStore => withMeta(r2, carriedOver);

/** R2, to which a version of before is put back: what legacy had then it may lack by now, and is to have again. */
export const restoring = (r2: ObjectStore): ObjectStore =>
  withMeta(r2, (meta) => {
    const { [LEGACY_HAS]: _left, ...custom } = meta.custom;
    return { ...meta, custom };
  });

/** The metadata as whoever uploaded the object set it: our own marks, and the time that a copy noted, are not part of it. */
export function withoutMarks(meta: ObjectMeta): ObjectMeta {
  const custom = Object.entries(meta.custom).filter(
    ([name]) => name !== 'mtime' && name !== MARK && name !== LEGACY_HAS,
  );
  return { ...meta, custom: Object.fromEntries(custom) };
}

const withMark = (meta: ObjectMeta, name: string, value: string): ObjectMeta => ({
  ...meta,
  custom: { ...meta.custom, [name]: value },
});

/** The metadata goes up with the bytes: no crash parts them. */
function withMeta(store: ObjectStore, change: (meta: ObjectMeta) => ObjectMeta): ObjectStore {
  const { createUpload, putCopy } = store;
  return {
    ...store,
    put: (key, body, size, meta, md5) => store.put(key, body, size, change(meta), md5),
    ...(createUpload === undefined ? {} : { createUpload: (key, meta) => createUpload(key, change(meta)) }),
    ...(putCopy === undefined
      ? {}
      : {
          putCopy: (key, source, head, metaOf) =>
            putCopy(key, source, head, async () => {
              const meta = await metaOf();
              return meta === null ? null : change(meta);
            }),
        }),
  };
}
