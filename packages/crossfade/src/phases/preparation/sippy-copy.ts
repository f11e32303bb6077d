import type { ObjectHead } from '../../providers/providers.ts';
import type { SippySource, SippyTarget } from '../../providers/cloudflare/sippy.ts';
import type { RolloutConfig } from '../../rollout/config.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { pause } from '../../rollout/pause.ts';
import { errorText } from '../../rollout/error-text.ts';
import { eachAtOnce } from '../../transfer/each-at-once.ts';
import { mergeListings } from '../../transfer/merge-listings.ts';
import { readBody } from '../../transfer/object-body.ts';
import { describeCopies } from './describe-copies.ts';
import { createEarlyStop, TransferStopped } from '../../transfer/stop-early.ts';

/** Of a larger object one GET may bring a part only (Cloudflare's documentation of Sippy): our own copy takes it. */
const LARGEST_BYTES = 199 * 1024 * 1024;
/** How often the progress is told, ms: quickly at first, since a small bucket is soon over. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;

/** A setting may take effect a moment after it was made: until it has brought one object, a missing one is asked for again, ms. */
const TAKES_EFFECT_MS = 30_000;
const AGAIN_MS = 500;

export interface SippyResult {
  /** Objects that R2 lacked and handed out, and their bytes. */
  readonly transferred: number;
  readonly bytes: number;
  readonly failed: number;
  /** Too large for it. */
  readonly left: number;
  /** Got back what Sippy drops of an object's description. */
  readonly described: number;
}

function endsOf({ cloudflare, environments }: RolloutConfig): { source: SippySource; target: SippyTarget } {
  const { supabase, worker } = environments.production;
  const { endpoint, accessKeyId, secretAccessKey } = supabase.s3;
  const bucketUrl = `${endpoint.replace(/\/$/, '')}/${encodeURIComponent(supabase.bucket)}`;
  return {
    source: { bucketUrl, accessKeyId, secretAccessKey },
    target: {
      bucket: worker.bucket,
      accessKeyId: cloudflare.r2.accessKeyId,
      secretAccessKey: cloudflare.r2.secretAccessKey,
    },
  };
}

/**
 * Lets Sippy carry the bulk: turned on, asked once for each object that R2 lacks, and turned off again, whatever
 * happened. It brings deleted objects back, so it may not stay on: nobody deletes in R2 before this has ended. What it
 * failed at our own copy takes up afterwards, and every object is verified as always. One that is on already and reads
 * from legacy is what a crash left behind; it is used and turned off like one of our own, whoever turned it on.
 * @throws Error when the bucket's Sippy reads from elsewhere, or may still be on
 */
export async function sippyCopy(context: RolloutContext): Promise<SippyResult> {
  const { cloudflare } = context.providers;
  const { source, target } = endsOf(context.config);
  const found = await cloudflare.getSippy(target.bucket);
  if (found.enabled && found.source !== source.bucketUrl)
    throw new Error(
      `Sippy is on for the bucket ${target.bucket} and reads from ${found.source ?? 'an unnamed source'} instead of ${source.bucketUrl}: ` +
        `turn it off (${disableCommand(target.bucket)}) or set transfer.bulk to 'own', then run it again`,
    );
  let failure: { readonly reason: unknown } | null = null;
  let asked = { transferred: 0, bytes: 0, failed: 0, left: 0 };
  context.signal.throwIfAborted();
  try {
    await cloudflare.putSippy(source, target);
    asked = await unlessEnded(askForAll(context), context.signal);
  } catch (reason) {
    failure = { reason };
  }
  await turnOff(context, failure);
  if (failure !== null) throw failure.reason;
  // It keeps no header but `x-amz-meta-*`: whatever it brought lacks something.
  return { ...asked, described: await describeCopies(context, 'each') };
}

/** Ends with the signal at once: who was interrupted has little time, and an answer that is on its way may take long. */
async function unlessEnded<Answer>(work: Promise<Answer>, signal: AbortSignal): Promise<Answer> {
  let end = (): void => {};
  const ended = new Promise<never>((_resolve, reject) => {
    end = () => reject(signal.reason);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
  });
  try {
    return await Promise.race([work, ended]);
  } finally {
    signal.removeEventListener('abort', end);
  }
}

/** Turns off what a run left on; somebody else's stays. Answers whether there was anything to turn off. */
export async function endSippyCopy(context: RolloutContext): Promise<boolean> {
  const { source, target } = endsOf(context.config);
  const found = await context.providers.cloudflare.getSippy(target.bucket);
  if (!found.enabled || found.source !== source.bucketUrl) return false;
  await turnOff(context, null);
  return true;
}

/** The command that a person turns it off with. */
export const endSippyByHand = ({ config }: RolloutContext): string =>
  disableCommand(config.environments.production.worker.bucket);

const disableCommand = (bucket: string): string => `wrangler r2 bucket sippy disable ${bucket}`;

/** Off, and seen to be off. A call that failed may have turned it on or off all the same: only its state counts. */
async function turnOff(
  { config, providers: { cloudflare } }: RolloutContext,
  before: { readonly reason: unknown } | null,
): Promise<void> {
  const { bucket } = endsOf(config).target;
  const reasons = before === null ? [] : [before.reason];
  try {
    await cloudflare.deleteSippy(bucket);
  } catch (error) {
    reasons.push(error);
  }
  const { enabled } = await cloudflare.getSippy(bucket).catch((error: unknown) => {
    reasons.push(error);
    return { enabled: true };
  });
  if (!enabled) return;
  const why = reasons.length === 0 ? 'it says so after it was turned off' : reasons.map(errorText).join('; ');
  throw new Error(`Sippy may still be on for the bucket ${bucket}: turn it off (${disableCommand(bucket)}); ${why}`);
}

/** Asks R2 for each object that it lacks; the bytes are read and dropped. One object's failure stops no other. */
async function askForAll(context: RolloutContext): Promise<Omit<SippyResult, 'described'>> {
  const { config, providers, signal } = context;
  const { legacyStore: legacy, r2 } = providers;
  const counts = { transferred: 0, bytes: 0, failed: 0, left: 0 };
  const stop = createEarlyStop(null);
  let everyMs = FIRST_PAUSE_MS;
  let nextAt = performance.now() + everyMs;
  const takesEffectUntil = performance.now() + TAKES_EFFECT_MS;
  const tell = async (state: string): Promise<void> => {
    const { transferred, failed, left } = counts;
    const text = `sippy ${state}: ${transferred} objects carried over, ${failed} failed, ${left} too large for it`;
    await context.record({ kind: 'note', data: { text }, subject: 'production.copy' });
  };

  async function ask({ key }: ObjectHead): Promise<void> {
    try {
      let opened = await r2.production.get(key);
      while (opened === null && counts.transferred === 0 && performance.now() < takesEffectUntil) {
        await pause(AGAIN_MS, signal);
        signal.throwIfAborted();
        opened = await r2.production.get(key);
      }
      if (opened === null) throw new Error('R2 does not have it, and Sippy did not bring it');
      for await (const chunk of readBody(r2.production, opened, signal)) counts.bytes += chunk.byteLength;
      counts.transferred++;
      stop.succeeded(key);
    } catch (error) {
      signal.throwIfAborted();
      counts.failed++;
      await stop.failed(key, error);
    }
    if (performance.now() < nextAt) return;
    everyMs = Math.min(LONGEST_PAUSE_MS, everyMs * 2);
    nextAt = performance.now() + everyMs;
    await tell('running');
  }

  let state = 'completed';
  try {
    await eachAtOnce(mergeListings(legacy.list(), r2.production.list()), config.transfer.concurrency, (pair) => {
      signal.throwIfAborted();
      if (pair.from === null || pair.to !== null) return undefined;
      if (pair.from.size <= LARGEST_BYTES) return ask(pair.from);
      counts.left++;
      return undefined;
    });
  } catch (error) {
    // Sippy cannot, or not any more: our own copy can, and if it cannot either it says why.
    if (!(error instanceof TransferStopped)) throw error;
    state = error.message;
  }
  await tell(state);
  return counts;
}
