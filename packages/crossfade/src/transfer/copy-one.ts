import type { ObjectHead, ObjectStore } from '../providers/providers.ts';
import { createBandwidth } from './bandwidth.ts';
import { createBuffers } from './buffers.ts';
import { copyObject } from './copy-object.ts';
import type { CopiedObject } from './copy-tools.ts';
import { createThrottle } from './throttle.ts';

/** Parts of one object on their way at once. */
const PARTS_AT_ONCE = 4;
/** Of all objects that are copied one by one in this process, bytes. */
const buffers = createBuffers(64 * 1024 * 1024);

/** Copies one object outside of a whole copy, as `copyObject` does, with the SHA-256 where the bytes go by in one piece. */
export async function copyOne(
  stores: { readonly from: ObjectStore; readonly to: ObjectStore },
  listed: ObjectHead,
  signal: AbortSignal,
): Promise<CopiedObject | null> {
  const throttle = createThrottle(PARTS_AT_ONCE, [stores.from, stores.to]);
  const tools = { ...stores, signal, throttle, buffers, bandwidth: createBandwidth(undefined), sha256: true };
  try {
    return await copyObject(tools, listed, () => {});
  } finally {
    throttle.close();
  }
}
