import { isDeepStrictEqual } from 'node:util';
import { ProviderError } from '../provider-error.ts';
import type { CloudflareProvider, CorsRule, LifecycleRule } from '../providers.ts';
import * as shape from './answers.ts';
import { orNothing, type CloudflareApi } from './api-call.ts';
import { createOwnWrites } from './own-writes.ts';

const BUCKET_EXISTS = '10073';

type Buckets = Pick<
  CloudflareProvider,
  'getBucket' | 'createBucket' | 'deleteBucket' | 'getLifecycle' | 'putLifecycle' | 'getCors' | 'putCors'
>;

/** R2's buckets and their rules below `root`. */
export function createBuckets({ call, callBare, again }: CloudflareApi, root: string, pace: number): Buckets {
  const ownBuckets = createOwnWrites<{ name: string; createdOn: string } | null>(pace);
  const ownLifecycle = createOwnWrites<readonly LifecycleRule[]>(pace);
  const ownCors = createOwnWrites<readonly CorsRule[]>(pace);
  const getLifecycle = (bucket: string): Promise<readonly LifecycleRule[]> =>
    ownLifecycle.read(bucket, async () => (await call('get', `${root}/${bucket}/lifecycle`, shape.lifecycle)).rules);
  const getCors = (bucket: string): Promise<readonly CorsRule[]> =>
    ownCors.read(bucket, async () => {
      // A bucket without a policy answers 404.
      return (await orNothing(call('get', `${root}/${bucket}/cors`, shape.cors), { rules: [] })).rules;
    });
  return {
    getLifecycle,
    getCors,
    getBucket: (name) =>
      ownBuckets.read(name, async () => {
        const answer = await orNothing(call('get', `${root}/${name}`, shape.bucket), null);
        return answer === null ? null : { name: answer.name, createdOn: answer.creation_date };
      }),
    // A 409 here is an answer: the bucket exists, or is not empty.
    async createBucket(name) {
      await again(async (attempt) => {
        try {
          await call('post', root, shape.bucket, { body: { name } });
        } catch (error) {
          // An attempt whose answer was lost may have made it.
          const made = error instanceof ProviderError && error.code === BUCKET_EXISTS && attempt > 1;
          if (!made) throw error;
        }
      });
      ownBuckets.note(name, (bucket) => bucket !== null);
    },
    async deleteBucket(name) {
      await again(async (attempt) => {
        const asked = callBare('delete', `${root}/${name}`, shape.envelope, { repeat: false });
        await (attempt === 1 ? asked : orNothing(asked, null));
      });
      ownBuckets.note(name, (bucket) => bucket === null);
    },
    async putLifecycle(bucket, rules) {
      await again(async (attempt) => {
        if (attempt > 1 && isDeepStrictEqual(await getLifecycle(bucket), rules)) return;
        await callBare('put', `${root}/${bucket}/lifecycle`, shape.envelope, { body: { rules }, repeat: false });
      });
      ownLifecycle.note(bucket, (now) => isDeepStrictEqual(now, rules));
    },
    async putCors(bucket, rules) {
      const path = `${root}/${bucket}/cors`;
      await again(async (attempt) => {
        if (attempt > 1 && isDeepStrictEqual(await getCors(bucket), rules)) return;
        const asked =
          rules.length === 0
            ? orNothing(callBare('delete', path, shape.envelope, { repeat: false }), null)
            : callBare('put', path, shape.envelope, { body: { rules }, repeat: false });
        await asked;
      });
      ownCors.note(bucket, (now) => isDeepStrictEqual(now, rules));
    },
  };
}
