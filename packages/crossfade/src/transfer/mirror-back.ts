import type { ObjectStore } from '../providers/providers.ts';
import { copyObjects, type CopyResult } from './copy.ts';
import type { TransferProgress } from './progress.ts';
import { verifyObjects, type VerifyResult } from './verify.ts';

export interface MirrorBackOptions {
  readonly r2: ObjectStore;
  readonly legacy: ObjectStore;
  /** Only keys that begin with one of these; all when absent. */
  readonly prefixes?: readonly string[];
  readonly concurrency: number;
  readonly onProgress?: (progress: TransferProgress) => void;
  readonly signal: AbortSignal;
}

export interface MirrorBackResult {
  readonly copy: CopyResult;
  /** R2's objects against legacy, after the copy; what legacy kept as the newer one is left out. */
  readonly verify: VerifyResult;
  /** Whether legacy now holds every byte that R2 holds, or a newer upload of its own. */
  readonly complete: boolean;
}

/**
 * Brings back to legacy what it lacks or has otherwise, so that a rollback loses no upload. An object that was
 * uploaded to legacy after R2's is the newer upload and stays. Legacy's S3 accepts a wrong Content-MD5, so everything
 * is verified from what it says afterwards that it holds, and read where that proves nothing.
 */
export async function mirrorBack(options: MirrorBackOptions): Promise<MirrorBackResult> {
  const { r2, legacy, prefixes, concurrency, signal, onProgress } = options;
  const wanted = (key: string): boolean => prefixes === undefined || prefixes.some((prefix) => key.startsWith(prefix));
  const copy = await copyObjects({
    from: r2,
    to: legacy,
    concurrency,
    signal,
    filter: wanted,
    // R2's copies are younger than their originals, so times say nothing of the large ones.
    unsure: 'bytes',
    keepNewer: true,
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  const kept = new Set(copy.keptNewer);
  const verify = await verifyObjects({
    from: r2,
    to: legacy,
    concurrency,
    signal,
    filter: (key) => wanted(key) && !kept.has(key),
  });
  const complete = copy.failed.length === 0 && verify.mismatched.length === 0 && verify.missing.length === 0;
  return { copy, verify, complete };
}
