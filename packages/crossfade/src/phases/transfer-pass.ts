import type { RolloutContext } from '../rollout/context.ts';
import { copyObjects, type CopyResult } from '../transfer/copy.ts';
import { verifyObjects, type VerifyResult } from '../transfer/verify.ts';

/** A copy is caught up when a pass finds nothing new; more passes than this mean that it never will be. */
const MOST_PASSES = 8;

/** Copies legacy to R2 until a pass finds nothing new. Throws when objects could not be copied. */
export async function copyToR2(
  context: RolloutContext,
  pass: string,
): Promise<{ objects: number; bytes: number; passes: number }> {
  const { providers, config, signal } = context;
  let objects = 0;
  let bytes = 0;
  for (let passes = 1; ; passes++) {
    const result = await copyObjects({
      from: providers.legacyStore,
      to: providers.r2.production,
      concurrency: config.transfer.concurrency,
      signal,
      onProgress: (progress) => void context.record({ kind: 'transfer.progressed', data: progress, subject: pass }),
    });
    failOn(result);
    objects += result.copied;
    bytes += result.bytes;
    if (result.copied === 0 || passes === MOST_PASSES) return { objects, bytes, passes };
  }
}

function failOn({ failed }: CopyResult): void {
  const [first] = failed;
  if (first !== undefined)
    throw new Error(`${failed.length} objects could not be copied, the first ${first.key}: ${first.reason}`);
}

export type VerifiedPass = { objects: number; bytes: number; verified: number; mismatched: number; missing: number };

/**
 * Verifies every legacy object in R2, object by object. What was uploaded to legacy while the listing was read is
 * copied and verified again; a mismatch is never forgiven.
 */
export async function verifyInR2(context: RolloutContext, pass: string): Promise<VerifiedPass> {
  const { providers, config, signal } = context;
  const start = performance.now();
  let result: VerifyResult;
  for (let passes = 1; ; passes++) {
    result = await verifyObjects({
      from: providers.legacyStore,
      to: providers.r2.production,
      concurrency: config.transfer.concurrency,
      signal,
    });
    if (result.missing.length === 0 || passes === MOST_PASSES) break;
    await copyToR2(context, `${pass}: uploaded meanwhile`);
  }
  const { objects, bytes, verified, mismatched, missing } = result;
  await context.keep(`transfer/${pass.replaceAll(' ', '-')}.json`, JSON.stringify(result, null, 2));
  const counted = { objects, bytes, verified, mismatched: mismatched.length };
  await context.record({
    kind: 'transfer.finished',
    data: { ...counted, pass, seconds: (performance.now() - start) / 1000 },
    subject: pass,
  });
  return { ...counted, missing: missing.length };
}

/** Copies what R2 has and legacy lacks (or has otherwise) back to legacy. */
export async function mirrorToLegacy(context: RolloutContext): Promise<{ objects: number; bytes: number }> {
  const { providers, config, signal } = context;
  const legacy = providers.legacyStore;
  const result = await copyObjects({
    from: providers.r2.production,
    to: legacy,
    concurrency: config.transfer.concurrency,
    signal,
  });
  failOn(result);
  return { objects: result.copied, bytes: result.bytes };
}

/** Keys that R2 holds and legacy lacks. */
export async function missingInLegacy(context: RolloutContext): Promise<string[]> {
  const { providers, config, signal } = context;
  const result = await verifyObjects({
    from: providers.r2.production,
    to: providers.legacyStore,
    concurrency: config.transfer.concurrency,
    signal,
  });
  return [...result.missing, ...result.mismatched.map((one) => one.key)];
}
