import type { ObjectStore } from '../providers/providers.ts';
import type { Bandwidth } from './bandwidth.ts';
import type { Buffers } from './buffers.ts';
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
