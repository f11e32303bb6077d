import { randomUUID } from 'node:crypto';
import * as v from 'valibot';
import { exchange, refusal, type Call } from '../http/exchange.ts';
import { ProviderError } from '../provider-error.ts';
import type { StorageLimits } from '../providers.ts';
import { retrying } from '../retry.ts';

const TIMEOUT_MS = 15_000;
/** Trying finds a limit to this, bytes: what is narrowed to it stays a round number, and the search short. */
const GRAIN = 1024 * 1024;
const TUS = { 'tus-resumable': '1.0.0' };

/** Of `GET /storage/v1/bucket/ID`. Older projects leave the fields out. */
export const bucketLimits = v.object({
  file_size_limit: v.nullish(v.number(), null),
  allowed_mime_types: v.nullish(v.array(v.string()), null),
});
/** Of `GET /v1/projects/REF/config/storage` (Management API). */
export const storageConfig = v.object({ fileSizeLimit: v.number() });

export interface LimitSources {
  readonly bucket: v.InferOutput<typeof bucketLimits>;
  /** What the project's settings say, bytes; `null` where nobody may ask them. */
  told(): Promise<number | null>;
  /** Whether an upload of so many bytes would be begun; `null` where that cannot be tried. */
  takes(bytes: number): Promise<boolean | null>;
}

/** What of `wanted` a bucket would refuse. The project's own limit bounds every bucket's. */
export async function findStorageLimits(
  { bucket, told, takes }: LimitSources,
  wanted: { readonly largestBytes: number; readonly types: readonly string[] },
): Promise<StorageLimits> {
  // The server takes 0 for "none", as it takes no types at all for "any".
  const bucketBytes = bucket.file_size_limit === 0 ? null : bucket.file_size_limit;
  const allowedTypes = bucket.allowed_mime_types?.length === 0 ? null : bucket.allowed_mime_types;
  const refusedTypes = wanted.types.filter((type) => !isAllowed(type, allowedTypes));
  const of = (projectBytes: number | null, projectBy: StorageLimits['projectBy']): StorageLimits => ({
    bucketBytes,
    projectBytes,
    projectBy,
    allowedTypes,
    refusedTypes,
  });
  const inSettings = await told();
  if (inSettings !== null) return of(inSettings, 'settings');
  const most = Math.min(wanted.largestBytes, bucketBytes ?? Infinity);
  const first = await takes(most);
  if (first === null) return of(null, 'nobody');
  if (first) return of(null, 'trying');
  let [taken, refused] = [0, Math.ceil(most / GRAIN)];
  while (refused - taken > 1) {
    const middle = Math.floor((taken + refused) / 2);
    if ((await takes(middle * GRAIN)) === true) taken = middle;
    else refused = middle;
  }
  return of(taken * GRAIN, 'trying');
}

/** As the server compares them: to the letter, and `audio/*` for every kind of audio. */
function isAllowed(type: string, allowed: readonly string[] | null): boolean {
  const [kind = ''] = type.split('/');
  return allowed === null || allowed.some((one) => one === type || one === `${kind}/*`);
}

/**
 * Whether Storage would begin a resumable upload of so many bytes; `null` where it has no such uploads. It is the only
 * request that is judged by a length which is announced and not sent (TUS: `Upload-Length`; 413 above the limit, the
 * project's and the bucket's). What is begun is given up at once, and no byte of it was ever there.
 * @throws ProviderError when it answers anything else
 */
export async function takesUpload(
  project: { readonly url: string; readonly anonKey: string; readonly serviceKey: string },
  bucket: string,
  bytes: number,
): Promise<boolean | null> {
  const url = `${project.url}/storage/v1/upload/resumable`;
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const key = `crossfade-size-limit-${randomUUID()}`;
  const call = (method: 'POST' | 'DELETE', at: string, headers: Call['headers']): Call => ({
    provider: 'Supabase',
    operation: `${method} a resumable upload of ${bytes} bytes`,
    method,
    url: at,
    headers: { apikey: project.anonKey, authorization: `Bearer ${project.serviceKey}`, ...TUS, ...headers },
    timeoutMs: TIMEOUT_MS,
    secrets: [project.anonKey, project.serviceKey],
  });
  return retrying(async () => {
    const begin = call('POST', url, {
      'upload-length': String(bytes),
      'upload-metadata': `bucketName ${base64(bucket)},objectName ${base64(key)}`,
    });
    const answer = await exchange(begin);
    if (answer.status === 413) return false;
    if (answer.status === 404 || answer.status === 405 || answer.status === 501) return null;
    const { location } = answer.headers;
    const id = typeof location === 'string' ? /\/([^/]+)$/.exec(location)?.[1] : undefined;
    if (answer.status !== 201 || id === undefined)
      throw refusal(begin, answer, { code: null, message: 'the size limit could not be tried' });
    // By our own URL: behind a proxy the server may not know how it is reached.
    const giveUp = call('DELETE', `${url}/${id}`, {});
    const given = await exchange(giveUp);
    if (given.status >= 400 && given.status !== 404 && given.status !== 410)
      throw refusal(giveUp, given, { code: null, message: 'an upload that was begun could not be given up' });
    return true;
  });
}

/** Whether a question was refused for want of a permission, or is not known there: another way may answer it. */
export function isClosed(error: unknown): boolean {
  return error instanceof ProviderError && [401, 403, 404].includes(error.status ?? 0);
}
