import type { ObjectHead, ObjectMeta } from '../providers/providers.ts';

/** Epoch seconds, as rclone writes them. */
const SECONDS = /^\d{1,12}(\.\d+)?$/;
/** Later than this it is no time of a file: milliseconds, most likely, which would be tens of thousands of years. */
const LATEST_MS = Date.UTC(2200, 0, 1);
/** Of custom metadata, bytes of names and values: S3's limit and R2's. */
const LIMITS = [2048, 8192] as const;

/** The original's time that goes along with a copy; `null` where there is none, or none that can be meant as one. */
export function keptTime({ custom }: ObjectMeta): Date | null {
  const told = custom['mtime'] ?? '';
  const ms = Number(told) * 1000;
  return SECONDS.test(told) && ms < LATEST_MS ? new Date(ms) : null;
}

/**
 * An object's metadata as the copy has it. A store stamps its own time on what it is given, so the original's goes
 * along as rclone writes and reads it: `mtime`, epoch seconds with a fraction. One that is there is older and stays,
 * whatever its form. Where ours alone would make the metadata too large for a store, it is left out.
 */
export function keptMeta(meta: ObjectMeta, { lastModified }: Pick<ObjectHead, 'lastModified'>): ObjectMeta {
  const ms = Date.parse(lastModified);
  if (Number.isNaN(ms) || meta.custom['mtime'] !== undefined) return meta;
  const dated = { ...meta, custom: { ...meta.custom, mtime: String(ms / 1000) } };
  const [before, after] = [customBytes(meta), customBytes(dated)];
  return LIMITS.some((limit) => before <= limit && after > limit) ? meta : dated;
}

/** Bytes of names and values, as S3 counts them. */
function customBytes({ custom }: ObjectMeta): number {
  return Object.entries(custom).reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value),
    0,
  );
}
