import type { ObjectMeta, ObjectStore } from '../../providers/providers.ts';

/** Metadata of every object that the mirror wrote to legacy: the ETag that R2's had. A direct upload replaces it. */
const MARK = 'crossfade-mirrored';

/**
 * Whether the mirror wrote it. Only then may R2's win over a legacy object that looks younger: a copy is always younger
 * than what it was made from, so times cannot tell it from a direct upload.
 */
export const isMirrored = ({ custom }: ObjectMeta): boolean => MARK in custom;

/** Legacy, which marks whatever is put there as the mirror's. The mark goes up with the bytes: no crash parts them. */
export function marking(legacy: ObjectStore, r2Etag: string): ObjectStore {
  const marked = (meta: ObjectMeta): ObjectMeta => ({ ...meta, custom: { ...meta.custom, [MARK]: r2Etag } });
  const { createUpload, putCopy: _unmarked, ...rest } = legacy;
  return {
    ...rest,
    put: (key, body, size, meta, md5) => legacy.put(key, body, size, marked(meta), md5),
    ...(createUpload === undefined ? {} : { createUpload: (key, meta) => createUpload(key, marked(meta)) }),
  };
}
