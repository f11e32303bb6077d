import * as v from 'valibot';
import type { CloudflareApi } from './api-call.ts';

/** An S3-compatible bucket, as the vendor reads it. */
export interface SlurperSource {
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}
export interface SlurperTarget {
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}
export interface SlurperJob {
  readonly id: string;
  readonly status: 'running' | 'paused' | 'aborted' | 'completed';
  readonly source: { readonly endpoint: string | null; readonly bucket: string };
  readonly target: { readonly bucket: string };
  /** By the vendor's clock; `null` while it runs. */
  readonly createdAt: string;
  readonly finishedAt: string | null;
}
export interface SlurperProgress {
  readonly status: SlurperJob['status'];
  readonly objects: number;
  readonly transferred: number;
  /** They were in R2 already. */
  readonly skipped: number;
  readonly failed: number;
}
export interface SuperSlurperProvider {
  /** Newest first. */
  listSlurperJobs(): Promise<readonly SlurperJob[]>;
  /** Begins a bulk copy that overwrites nothing; answers with its id. */
  createSlurperJob(source: SlurperSource, target: SlurperTarget): Promise<string>;
  slurperProgress(id: string): Promise<SlurperProgress>;
  /** Objects in the middle of a transfer finish; no new one starts. */
  deleteSlurperJob(id: string): Promise<void>;
}

const PAGE = 50;
const status = v.picklist(['running', 'paused', 'aborted', 'completed']);
const job = v.object({
  id: v.string(),
  status,
  source: v.object({ endpoint: v.nullish(v.string(), null), bucket: v.string() }),
  target: v.object({ bucket: v.string() }),
  createdAt: v.string(),
  finishedAt: v.nullish(v.string(), null),
});
const count = v.optional(v.number(), 0);
const progress = v.object({
  status,
  objects: count,
  transferredObjects: count,
  skippedObjects: count,
  failedObjects: count,
});

/** Whether a job copies from that source into that target: it carries no mark, this is all that tells it. */
export function isSlurperJobOf(one: SlurperJob, source: SlurperSource, target: SlurperTarget): boolean {
  const { endpoint, bucket } = one.source;
  return endpoint === source.endpoint && bucket === source.bucket && one.target.bucket === target.bucket;
}

/** Super Slurper: bulk copies inside Cloudflare. The credentials go out in one body and come back in no answer. */
export function createSuperSlurper({ call, again }: CloudflareApi, root: string): SuperSlurperProvider {
  async function listSlurperJobs(): Promise<readonly SlurperJob[]> {
    const found: SlurperJob[] = [];
    for (;;) {
      const page = await call('get', root, v.array(job), { query: { limit: PAGE, offset: found.length } });
      found.push(...page);
      if (page.length < PAGE) return found;
    }
  }
  return {
    listSlurperJobs,
    async createSlurperJob(source, target) {
      const { accessKeyId, secretAccessKey, endpoint, region, bucket } = source;
      const body = {
        overwrite: false,
        source: { vendor: 's3', bucket, endpoint, region, secret: { accessKeyId, secretAccessKey } },
        target: {
          vendor: 'r2',
          bucket: target.bucket,
          secret: { accessKeyId: target.accessKeyId, secretAccessKey: target.secretAccessKey },
        },
      };
      const secrets = [accessKeyId, secretAccessKey, target.accessKeyId, target.secretAccessKey];
      return again(async (attempt) => {
        // An attempt whose answer was lost may have begun it.
        const begun =
          attempt > 1
            ? (await listSlurperJobs()).find((one) => isOpen(one) && isSlurperJobOf(one, source, target))
            : undefined;
        return begun?.id ?? (await call('post', root, v.object({ id: v.string() }), { body, secrets })).id;
      });
    },
    async slurperProgress(id) {
      const { status: now, ...counts } = await call('get', `${root}/${id}/progress`, progress);
      const { objects, transferredObjects, skippedObjects, failedObjects } = counts;
      return { status: now, objects, transferred: transferredObjects, skipped: skippedObjects, failed: failedObjects };
    },
    async deleteSlurperJob(id) {
      await call('put', `${root}/${id}/abort`, v.string());
    },
  };
}

export const isOpen = (one: Pick<SlurperJob, 'status'>): boolean => one.status === 'running' || one.status === 'paused';
