import type { ObjectHead, ObjectMeta, ObjectStore } from '../providers/providers.ts';
import { ObjectChanged } from '../providers/store-abilities.ts';
import type { Bandwidth } from './bandwidth.ts';
import type { Buffers } from './buffers.ts';
import { unheldIn } from './lost-metadata.ts';
import type { Throttle } from './throttle.ts';

export interface CopiedObject {
  readonly key: string;
  readonly size: number;
  /** As the target stored it. */
  readonly etag: string;
  /** Of all bytes; `null` where they went by in parts, each with an MD5 of its own, or did not come by at all. */
  readonly md5: string | null;
  /** `null` where the bytes did not go by in one piece. */
  readonly sha256: string | null;
  /** Custom metadata that the source has and could not tell, so that the copy lacks it: as `ObjectMeta.untold`. */
  readonly untoldMeta?: number | null;
  /** Headers of the original, by their names in HTTP, that the target takes and does not keep. */
  readonly unheld?: readonly string[];
}

/** What all objects of one copy share. */
export interface CopyTools {
  readonly from: ObjectStore;
  readonly to: ObjectStore;
  readonly signal: AbortSignal;
  readonly buffers: Buffers;
  readonly bandwidth: Bandwidth;
  readonly throttle: Throttle;
}

/** What an object's bytes came with, completed by a HEAD where that tells more. @throws ObjectChanged */
export async function completeMeta(
  from: ObjectStore,
  { key, etag }: ObjectHead,
  meta: ObjectMeta,
): Promise<ObjectMeta> {
  if (meta.untold === undefined) return meta;
  const head = await from.head(key);
  if (head === null || (etag !== '' && head.etag !== etag))
    throw new ObjectChanged(`${key} changed in ${from.label} while it was read`);
  return head.meta;
}

/** What a copy is to say of metadata that did not come along. */
export function lostOf(to: ObjectStore, meta: ObjectMeta): Pick<CopiedObject, 'untoldMeta' | 'unheld'> {
  const unheld = unheldIn(to, meta);
  return {
    ...(meta.untold === undefined ? {} : { untoldMeta: meta.untold }),
    ...(unheld.length === 0 ? {} : { unheld }),
  };
}

/** @throws TypeError, as for any request that cannot be written: there is no use in another attempt */
export function demandReadable({ label }: ObjectStore, { key, unreadable }: ObjectHead): void {
  if (unreadable !== undefined)
    throw new TypeError(`${label} lists ${JSON.stringify(key)} under a key that cannot be read: ${unreadable}`);
}
