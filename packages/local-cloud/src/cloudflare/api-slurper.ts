import * as v from 'valibot';
import { ApiFailure, ok } from './api-answer.ts';
import type { ApiHandlers, ApiRequest } from './api-answer.ts';
import type { ApiContext } from './api-context.ts';
import { isReachable, keysOf, type S3Bucket } from './s3-client.ts';
import type { SlurperJob, SlurperJobs } from './slurper-jobs.ts';

const Secret = v.object({ accessKeyId: v.string(), secretAccessKey: v.string() });
const Source = v.object({
  vendor: v.string(),
  bucket: v.string(),
  endpoint: v.nullish(v.string()),
  region: v.nullish(v.string()),
  pathPrefix: v.nullish(v.string()),
  secret: Secret,
});
const Target = v.object({ vendor: v.string(), bucket: v.string(), secret: Secret });
const NewJob = v.object({ overwrite: v.optional(v.boolean(), false), source: Source, target: Target });

const DEFAULT_PAGE = 50;

/** Super Slurper: bulk copies from an S3-compatible store into R2. The credentials are written, never read. */
export function slurperHandlers({ store, runtime }: ApiContext, jobs: SlurperJobs): ApiHandlers {
  const sourceOf = ({ vendor, bucket, endpoint, region, pathPrefix, secret }: v.InferOutput<typeof Source>) => {
    if (vendor !== 's3' || endpoint === null || endpoint === undefined || !isReachable(endpoint))
      throw new ApiFailure(400, 10004, 'local-cloud reads from S3-compatible endpoints only, by https or on loopback.');
    return { endpoint, region: region ?? 'auto', bucket, pathPrefix: pathPrefix ?? null, ...secret };
  };
  const targetOf = ({ bucket, secret }: v.InferOutput<typeof Target>): S3Bucket => {
    if (!store.current().buckets.some(({ name }) => name === bucket))
      throw new ApiFailure(404, 10006, 'The specified bucket does not exist.');
    return { endpoint: runtime.r2Endpoint, region: 'auto', bucket, ...secret };
  };
  const jobOf = ({ params }: ApiRequest): SlurperJob => {
    const job = jobs.all.find(({ id }) => id === params['job_id']);
    // By hand, as no document names the vendor's code.
    if (job === undefined) throw new ApiFailure(404, 10008, 'The job does not exist.');
    return job;
  };
  const set = (status: 'running' | 'paused' | 'aborted') => (request: ApiRequest) => {
    const job = jobOf(request);
    jobs.setStatus(job, status);
    return ok(job.id);
  };
  const precheck = async (bucket: S3Bucket) => {
    try {
      await keysOf(bucket).next();
      return ok({ connectivityStatus: 'success' });
    } catch {
      return ok({ connectivityStatus: 'error' });
    }
  };
  return {
    'r2.super_slurper.jobs.jobs.list': ({ query }) => {
      const offset = Number(query['offset'] ?? 0);
      return ok(jobs.all.slice(offset, offset + Number(query['limit'] ?? DEFAULT_PAGE)).map(shownJob));
    },
    'r2.super_slurper.jobs.jobs.get': (request) => ok(shownJob(jobOf(request))),
    'r2.super_slurper.jobs.jobs.create': ({ body }) => {
      const { overwrite, source, target } = v.parse(NewJob, body);
      const { id } = jobs.start({ overwrite, source: sourceOf(source), target: targetOf(target) });
      return { ...ok({ id }), status: 201 };
    },
    'r2.super_slurper.jobs.jobs.progress': (request) => {
      const { id, createdAt, status, objects, transferred, skipped, failed } = jobOf(request);
      const counts = { objects, transferredObjects: transferred, skippedObjects: skipped, failedObjects: failed };
      return ok({ id, createdAt, status, ...counts });
    },
    'r2.super_slurper.jobs.jobs.abort': set('aborted'),
    'r2.super_slurper.jobs.jobs.pause': set('paused'),
    'r2.super_slurper.jobs.jobs.resume': set('running'),
    'r2.super_slurper.connectivity_precheck.source': ({ body }) => precheck(sourceOf(v.parse(Source, body))),
    'r2.super_slurper.connectivity_precheck.target': ({ body }) => precheck(targetOf(v.parse(Target, body))),
  };
}

function shownJob({ id, createdAt, finishedAt, overwrite, source, target, status }: SlurperJob) {
  const { bucket, endpoint, pathPrefix } = source;
  return {
    id,
    createdAt,
    finishedAt,
    overwrite,
    status,
    source: { vendor: 's3', bucket, endpoint, pathPrefix, keys: null },
    target: { vendor: 'r2', bucket: target.bucket, jurisdiction: 'default' },
  };
}
