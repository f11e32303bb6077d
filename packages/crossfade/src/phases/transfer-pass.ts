import type { RolloutContext } from '../rollout/context.ts';
import { unaccountedText } from '../transfer/account.ts';
import { carryDeletes } from '../transfer/carry-deletes.ts';
import { catchUp } from '../transfer/catch-up.ts';
import type { CopyResult } from '../transfer/copy.ts';
import { keysOfManifest, withManifest } from '../transfer/manifest.ts';
import { bulkCopied } from './preparation/bulk-copy.ts';
import { eachAtOnce } from '../transfer/each-at-once.ts';
import { carrying, legacyHas } from '../transfer/mirror/object-marks.ts';
import { stillMissing } from '../transfer/mirror/still-missing.ts';
import { verifyObjects, type VerifyResult } from '../transfer/verify.ts';

/** Of the first copy, in preparation. */
const COPY_MANIFEST = 'transfer/copy.manifest.jsonl';
/** A copy is caught up when a pass finds nothing new; more passes than this mean that it never will be. */
const MOST_PASSES = 8;
/** Where the config names none. */
const MOST_LAG_SECONDS = 30;

/**
 * Copies legacy to R2 until a pass finds nothing new. With `keepNewer`, what production has overwritten in R2 stays: the
 * mirror brings it to legacy. Throws when objects could not be copied.
 */
export async function copyToR2(
  context: RolloutContext,
  pass: string,
  { keepNewer = false }: { readonly keepNewer?: boolean } = {},
): Promise<{ objects: number; bytes: number; passes: number }> {
  const { providers, config, signal } = context;
  // Reports are written one after the other; one that cannot be written fails the pass.
  const unwritten: unknown[] = [];
  let reported: Promise<unknown> = Promise.resolve();
  const { passes, caughtUp, lastPassMs } = await catchUp({
    from: providers.legacyStore,
    to: carrying(providers.r2.production),
    concurrency: config.transfer.concurrency,
    signal,
    keepNewer,
    onProgress: (progress) => {
      reported = reported
        .then(() => context.record({ kind: 'transfer.progressed', data: { ...progress }, subject: pass }))
        .catch((error: unknown) => unwritten.push(error));
    },
  });
  await reported;
  if (unwritten.length > 0) throw unwritten[0];
  const last = passes.at(-1);
  if (last !== undefined) failOn(last);
  // While users upload, a pass may always find something; what counts is how far behind the copy is.
  const { maxLagSeconds = MOST_LAG_SECONDS } = config.transfer;
  if (!caughtUp && lastPassMs > maxLagSeconds * 1000)
    throw new Error(`${passes.length} passes, and each found new uploads: they come faster than the copy`);
  const sum = (read: (result: CopyResult) => number): number => passes.reduce((total, one) => total + read(one), 0);
  return { objects: sum((one) => one.copied), bytes: sum((one) => one.bytes), passes: passes.length };
}

function failOn({ failed }: CopyResult): void {
  const [first] = failed;
  if (first !== undefined)
    throw new Error(`${failed.length} objects could not be copied, the first ${first.key}: ${first.reason}`);
}

/** `mismatched` counts what differs and what could not be compared: neither is proven. */
export type VerifiedPass = { objects: number; bytes: number; verified: number; mismatched: number; missing: number };

/**
 * Verifies every legacy object in R2, object by object. What was uploaded to legacy while the listing was read is
 * copied and verified again; a mismatch is never forgiven. The manifest, one row for each object, is kept as evidence.
 */
export async function verifyInR2(
  context: RolloutContext,
  pass: string,
  options: { readonly keepNewer?: boolean } = {},
): Promise<VerifiedPass> {
  const { providers, config, signal } = context;
  const start = performance.now();
  const place = `transfer/${pass.replaceAll(' ', '-')}`;
  let result: VerifyResult;
  for (let passes = 1; ; passes++) {
    ({ result } = await withManifest(await context.placeFor(`${place}.manifest.jsonl`), (more) =>
      verifyObjects({
        from: providers.legacyStore,
        to: providers.r2.production,
        concurrency: config.transfer.concurrency,
        signal,
        ...more,
      }),
    ));
    if (result.missing.length === 0 || passes === MOST_PASSES) break;
    await copyToR2(context, `${pass}: uploaded meanwhile`, options);
  }
  const { objects, bytes, verified, mismatched, missing, failed, account } = result;
  await context.keep(`${place}.json`, JSON.stringify(result, null, 2));
  const unnamed = unaccountedText(account);
  if (unnamed !== null) throw new Error(unnamed);
  const counted = { objects, bytes, verified, mismatched: mismatched.length + failed.length };
  await context.record({
    kind: 'transfer.finished',
    data: { ...counted, pass, seconds: (performance.now() - start) / 1000 },
    subject: pass,
  });
  return { ...counted, missing: missing.length };
}

/** Named in a step's result; the journal need not hold more. */
const MOST_NAMED = 20;

/**
 * What users deleted in legacy since the copy is deleted in R2. Only before production writes to R2.
 * @throws Error when so much has gone from legacy that it seems to have lost it
 */
export async function carryDeletesToR2(context: RolloutContext): Promise<{ deleted: number; deletedKeys: string[] }> {
  const { providers, config, signal } = context;
  const manifest = await context.placeFor(COPY_MANIFEST);
  /**
   * What was deleted before the copy was verified is in no manifest, and says itself where it came from; of what Super
   * Slurper carried its time says so.
   */
  async function wereCopied(keys: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    const copied = new Set(await keysOfManifest(manifest, keys));
    const inBulk = await bulkCopied(context);
    await eachAtOnce([...keys], config.transfer.concurrency, async (key) => {
      const held = copied.has(key) ? null : await providers.r2.production.head(key);
      if (held !== null && (legacyHas(held.meta) === 'carried-over' || inBulk(held.lastModified))) copied.add(key);
    });
    return copied;
  }
  const { deleted, failed, suspicious } = await carryDeletes({
    from: providers.legacyStore,
    to: providers.r2.production,
    signal,
    wereCopied,
  });
  const [first] = suspicious;
  if (first !== undefined)
    throw new Error(
      `${suspicious.length} objects that were copied are gone from legacy, the first ${first}: more than users delete, so legacy may have lost them`,
    );
  const [undone] = failed;
  if (undone !== undefined)
    throw new Error(
      `${failed.length} objects that were deleted in legacy could not be deleted in R2, the first ${undone.key}: ${undone.reason}; ${deleted.length} others were`,
    );
  return { deleted: deleted.length, deletedKeys: deleted.slice(0, MOST_NAMED) };
}

/** Keys that R2 holds and legacy lacks, or has otherwise; those of which legacy has its own are left out. */
export async function missingInLegacy(context: RolloutContext, kept: ReadonlySet<string>): Promise<string[]> {
  const { providers, config, signal } = context;
  const { legacyStore: legacy, r2 } = providers;
  const { concurrency } = config.transfer;
  const { missing, mismatched, failed } = await verifyObjects({
    from: r2.production,
    to: legacy,
    concurrency,
    signal,
    filter: (key) => !kept.has(key),
  });
  const suspected = [...missing, ...[...mismatched, ...failed].map((one) => one.key)];
  return stillMissing({ r2: r2.production, legacy, concurrency, signal }, suspected);
}
