import { S3Failure } from './s3-failure.ts';

/** "Maximum concurrent writes to the same object name (key): 1 per second", https://developers.cloudflare.com/r2/platform/limits/ */
const BETWEEN_WRITES_MS = 1000;
/** Of keys that are remembered before those are forgotten that may be written again. */
const MOST_KEYS = 10_000;

export interface WriteRate {
  /**
   * Takes the key's one write of this second. The answer gives it back, for a write that came to nothing.
   * @throws S3Failure with status 429 when it is taken.
   */
  take(bucket: string, key: string): () => void;
}

/**
 * R2's limit for one key. What counts is what makes an object: PutObject, CopyObject and CompleteMultipartUpload.
 * Deletes are left out, since no document counts them, and so is what Workers write, which does not come by here.
 */
export function createWriteRate(betweenMs = BETWEEN_WRITES_MS, now: () => number = Date.now): WriteRate {
  const taken = new Map<string, number>();
  return {
    take(bucket, key) {
      const name = `${bucket}/${key}`;
      const at = now();
      const before = taken.get(name);
      if (before !== undefined && at - before < betweenMs) {
        // Status and words as seen at R2: the code of the Workers API for it is 10058.
        const message = 'Reduce your concurrent request rate for the same object.';
        throw new S3Failure(429, 'TooManyRequests', message);
      }
      taken.set(name, at);
      if (taken.size > MOST_KEYS) for (const [other, when] of taken) if (at - when >= betweenMs) taken.delete(other);
      return () => {
        if (taken.get(name) === at) taken.delete(name);
      };
    },
  };
}

export const unlimitedWrites: WriteRate = { take: () => () => {} };
