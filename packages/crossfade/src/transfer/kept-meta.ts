import type { ObjectHead, ObjectMeta } from '../providers/providers.ts';

/** The original's time that goes along with a copy; `null` where there is none that a clock could show. */
export function keptTime({ custom }: ObjectMeta): Date | null {
  const time = new Date(Number.parseFloat(custom['mtime'] ?? '') * 1000);
  return Number.isNaN(time.getTime()) ? null : time;
}

/**
 * An object's metadata as the copy has it. A store stamps its own time on what it is given, so the original's goes
 * along as rclone writes and reads it: `mtime`, epoch seconds with a fraction. One that is there is older and stays.
 */
export function keptMeta(meta: ObjectMeta, { lastModified }: Pick<ObjectHead, 'lastModified'>): ObjectMeta {
  const ms = Date.parse(lastModified);
  if (Number.isNaN(ms) || meta.custom['mtime'] !== undefined) return meta;
  return { ...meta, custom: { ...meta.custom, mtime: String(ms / 1000) } };
}
