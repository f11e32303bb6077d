import { isOpen, isSlurperJobOf, type SlurperProgress } from '../../providers/cloudflare/super-slurper.ts';
import type { SlurperSource, SlurperTarget } from '../../providers/cloudflare/super-slurper.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { describeCopies } from './describe-copies.ts';

/** How often a job is asked how far it is, ms: quickly at first, since a small one is soon over. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;

export interface BulkResult extends SlurperProgress {
  readonly job: string;
  /** Got back what the job dropped of an object's metadata. */
  readonly described: number;
}

function endsOf({ config }: RolloutContext): { source: SlurperSource; target: SlurperTarget } {
  const { supabase, worker } = config.environments.production;
  const { accessKeyId, secretAccessKey } = config.cloudflare.r2;
  return {
    source: { ...supabase.s3, bucket: supabase.bucket },
    target: { bucket: worker.bucket, accessKeyId, secretAccessKey },
  };
}

/** Jobs from legacy into R2 that are there now; empty where this rollout copies by itself. */
export async function slurperJobs(context: RolloutContext): Promise<string[]> {
  if (context.config.transfer.bulk !== 'super-slurper') return [];
  const { source, target } = endsOf(context);
  const all = await context.providers.cloudflare.listSlurperJobs();
  return all.filter((one) => isSlurperJobOf(one, source, target)).map(({ id }) => id);
}

/** HEAD tells times in whole seconds. */
const CLOCK_GRAIN_MS = 1000;

/**
 * Whether an object lies in R2 since a moment when Super Slurper carried objects from legacy there. It leaves no mark
 * on them, and nobody else writes there before the switch.
 */
export async function bulkCopied(context: RolloutContext): Promise<(lastModified: string) => boolean> {
  if (context.config.transfer.bulk !== 'super-slurper') return () => false;
  const { source, target } = endsOf(context);
  const jobs = (await context.providers.cloudflare.listSlurperJobs()).filter((one) =>
    isSlurperJobOf(one, source, target),
  );
  return (lastModified) => {
    const at = Date.parse(lastModified);
    return jobs.some((one) => {
      // Of one that was ended and does not say when, nothing can be told.
      const until = isOpen(one) ? Infinity : Date.parse(one.finishedAt ?? '');
      return at > Date.parse(one.createdAt) - CLOCK_GRAIN_MS && at <= until;
    });
  };
}

/**
 * Lets Super Slurper carry the bulk, and watches it to its end. A job of ours is found again after a crash: one that
 * was not there `before`, or still runs. What it failed at, or left when it was aborted, our own copy takes up
 * afterwards; whatever it says of itself, every object is verified as always.
 */
export async function bulkCopy(context: RolloutContext, before: readonly string[]): Promise<BulkResult> {
  const { cloudflare } = context.providers;
  const { source, target } = endsOf(context);
  const all = await cloudflare.listSlurperJobs();
  const found = all.find((one) => isSlurperJobOf(one, source, target) && (isOpen(one) || !before.includes(one.id)));
  const job = found?.id ?? (await cloudflare.createSlurperJob(source, target));
  let told = '';
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(LONGEST_PAUSE_MS, pause * 2)) {
    context.signal.throwIfAborted();
    const progress = await cloudflare.slurperProgress(job);
    const { objects, transferred, skipped, failed } = progress;
    const line = `super slurper ${progress.status}: ${transferred} of ${objects} objects carried over, ${skipped} there already, ${failed} failed`;
    if (line !== told) await context.record({ kind: 'note', data: { text: line }, subject: 'production.copy' });
    told = line;
    // Its documentation promises custom metadata alone: the rest is looked at.
    if (!isOpen(progress)) return { job, ...progress, described: await describeCopies(context, 'lost') };
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** Ends what this step began, where it still runs. */
export async function endBulkCopy(context: RolloutContext, before: readonly string[]): Promise<string[]> {
  if (context.config.transfer.bulk !== 'super-slurper') return [];
  const { cloudflare } = context.providers;
  const { source, target } = endsOf(context);
  const ours = (await cloudflare.listSlurperJobs()).filter(
    (one) => isOpen(one) && isSlurperJobOf(one, source, target) && !before.includes(one.id),
  );
  for (const { id } of ours) await cloudflare.deleteSlurperJob(id);
  return ours.map(({ id }) => id);
}
