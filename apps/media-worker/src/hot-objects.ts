/** Objects above this size, bytes, pass through and are never kept. */
const LARGEST_KEPT = 1024 * 1024;
/** All that is kept together, bytes: an isolate has 128 MiB for everything. */
const MOST_BYTES = 24 * 1024 * 1024;
/** Keys that are remembered as read once. */
const MOST_SEEN = 1000;

export interface HotObject {
  readonly etag: string;
  readonly bytes: Uint8Array;
}

/**
 * Small objects that are read again and again: a player asks for the same file once for every jump. Their bytes stay
 * in the isolate, but no answer is made from them before R2 has said that the object is still the same, so what was
 * overwritten or deleted is never served. What is saved is the bytes' way from the bucket.
 */
export interface HotObjects {
  /** What is kept under a key; whether it still holds is for R2 to say. */
  get(key: string): HotObject | null;
  /** Notes a read. `true` when it is time to keep the object: it was read before and is small. */
  worthKeeping(key: string, etag: string, size: number): boolean;
  keep(key: string, object: HotObject): void;
  forget(key: string): void;
}

export function createHotObjects(mostBytes = MOST_BYTES): HotObjects {
  // Both in the order of use, the oldest first.
  const kept = new Map<string, HotObject>();
  const seen = new Map<string, string>();
  let bytes = 0;

  function forget(key: string): void {
    bytes -= kept.get(key)?.bytes.byteLength ?? 0;
    kept.delete(key);
  }

  return {
    get(key) {
      const object = kept.get(key);
      if (object === undefined) return null;
      kept.delete(key);
      kept.set(key, object);
      return object;
    },
    worthKeeping(key, etag, size) {
      if (size === 0 || size > LARGEST_KEPT) return false;
      if (seen.get(key) === etag) return seen.delete(key);
      seen.delete(key);
      seen.set(key, etag);
      for (const [oldest] of seen) {
        if (seen.size <= MOST_SEEN) break;
        seen.delete(oldest);
      }
      return false;
    },
    keep(key, object) {
      forget(key);
      kept.set(key, object);
      bytes += object.bytes.byteLength;
      for (const [oldest] of kept) {
        if (bytes <= mostBytes) break;
        forget(oldest);
      }
    },
    forget,
  };
}
