import { SYSTEM_HEADERS } from '../providers/object-meta.ts';
import type { ObjectMeta, ObjectStore } from '../providers/providers.ts';

// Metadata that does not come along with a copy, and how each loss is told. What a source has and does not tell is a
// failure, since another way of reading it may tell it. What a target's vendor cannot hold is told and is none: no copy
// could do better.

/** Custom values of the source that a copy lacks; `null` where none are. `untold` is as in `ObjectMeta`. */
export function untoldText(label: string, untold: number | null | undefined): string | null {
  if (untold === undefined) return null;
  if (untold === null) return `custom values may be lost: ${label} does not say how many it leaves out`;
  const [values, them] = untold === 1 ? ['1 custom value is', 'it'] : [`${untold} custom values are`, 'them'];
  return `${values} lost: ${label} has ${them} and does not tell ${them}`;
}

/** Headers of an original, by their names in HTTP, that the target takes and does not keep. */
export function unheldIn({ unheldHeaders = [] }: ObjectStore, meta: ObjectMeta): string[] {
  return unheldHeaders.filter((field) => meta[field] !== null).map((field) => SYSTEM_HEADERS[field]);
}

export function unheldText(label: string, headers: readonly string[]): string {
  return `${label} does not hold ${headers.join(', ')}`;
}
