import { copyObjects, type CopyOptions, type CopyResult } from './copy.ts';

/** Passes that still find something after so many mean that uploads come faster than they are copied. */
const MOST_PASSES = 8;

export interface CatchUpResult {
  /** What each pass found, the first one first. */
  readonly passes: readonly CopyResult[];
  /** Whether the last pass found nothing new and nothing had failed. */
  readonly caughtUp: boolean;
  /** How long the last pass took, ms: what it did not see is younger. */
  readonly lastPassMs: number;
}

/** Copies again and again until a pass finds nothing new. Throws as `copyObjects` does. */
export async function catchUp(options: CopyOptions & { readonly maxPasses?: number }): Promise<CatchUpResult> {
  const { maxPasses = MOST_PASSES } = options;
  const passes: CopyResult[] = [];
  let lastPassMs = 0;
  while (passes.length < maxPasses) {
    const start = performance.now();
    const result = await copyObjects(options);
    passes.push(result);
    lastPassMs = performance.now() - start;
    if (result.copied === 0) return { passes, caughtUp: result.failed.length === 0, lastPassMs };
  }
  return { passes, caughtUp: false, lastPassMs };
}
