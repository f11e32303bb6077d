import * as v from 'valibot';
import type { Account, AccountBucket } from './account-state.ts';
import { ApiFailure, ok } from './api-answer.ts';
import type { ApiHandlers, ApiRequest } from './api-answer.ts';
import type { ApiContext } from './api-context.ts';

const BucketBody = v.object({
  name: v.string(),
  locationHint: v.optional(v.string()),
  storageClass: v.optional(v.string()),
});
const Rules = v.object({ rules: v.optional(v.array(v.record(v.string(), v.unknown())), []) });
const CorsOrigins = v.object({ allowed: v.object({ origins: v.array(v.string()) }) });

/** Every fresh bucket carries it; a PUT of the rules that leaves it out removes it. */
const abortMultipartRule = {
  id: 'Default Multipart Abort Rule',
  enabled: true,
  conditions: { prefix: '' },
  abortMultipartUploadsTransition: { condition: { type: 'Age', maxAge: 7 * 24 * 60 * 60 } },
};

/** R2's buckets with their lifecycle and CORS rules; the objects are behind the S3 endpoint. */
export function r2Handlers({ store, runtime }: ApiContext): ApiHandlers {
  const bucketOf = (request: ApiRequest) => bucketNamed(store.current(), request);
  const changeBucket = (request: ApiRequest, edit: (bucket: AccountBucket) => void) =>
    store.change((draft) => edit(bucketNamed(draft, request)));

  return {
    'r2.buckets.buckets.list': listBuckets(store.current),
    'r2.buckets.buckets.get': (request) => ok(shownBucket(bucketOf(request))),
    'r2.buckets.buckets.create': async (request) => {
      if (isForeign(request)) throw new ApiFailure(400, 10040, 'local-cloud has the default jurisdiction only.');
      const { name, locationHint, storageClass } = v.parse(BucketBody, request.body);
      const created = await store.change(async (draft) => {
        if (draft.buckets.some((one) => one.name === name)) {
          throw new ApiFailure(409, 10073, 'The bucket you tried to create already exists, and you own it.');
        }
        const bucket: AccountBucket = {
          name,
          createdOn: new Date().toISOString(),
          location: locationHint ?? 'weur',
          storageClass: storageClass ?? 'Standard',
          lifecycle: [structuredClone(abortMultipartRule)],
          cors: null,
          sippy: null,
        };
        await runtime.ensureBucket(name);
        draft.buckets.push(bucket);
        return bucket;
      });
      return ok(shownBucket(created));
    },
    'r2.buckets.buckets.delete': async (request) => {
      await store.change(async (draft) => {
        const bucket = bucketNamed(draft, request);
        await removeBucket(runtime, bucket.name);
        runtime.setSippy(bucket.name, null);
        draft.buckets = draft.buckets.filter((one) => one !== bucket);
      });
      return ok({});
    },
    'r2.buckets.lifecycle.get': (request) => ok({ rules: bucketOf(request).lifecycle }),
    'r2.buckets.lifecycle.update': async (request) => {
      const { rules } = v.parse(Rules, request.body);
      refuseTwins(rules);
      await changeBucket(request, (bucket) => {
        bucket.lifecycle = rules;
      });
      return ok({});
    },
    'r2.buckets.cors.get': (request) => {
      const { cors } = bucketOf(request);
      if (cors === null) throw new ApiFailure(404, 10059, 'The CORS configuration does not exist.');
      return ok({ rules: cors });
    },
    'r2.buckets.cors.update': async (request) => {
      const { rules } = v.parse(Rules, request.body);
      for (const rule of rules) refuseBadOrigins(v.parse(CorsOrigins, rule).allowed.origins);
      await changeBucket(request, (bucket) => {
        bucket.cors = rules;
      });
      return ok({});
    },
    'r2.buckets.cors.delete': async (request) => {
      await changeBucket(request, (bucket) => {
        bucket.cors = null;
      });
      return ok({});
    },
  };
}

const Expiry = v.object({
  enabled: v.boolean(),
  conditions: v.object({ prefix: v.optional(v.string(), '') }),
  deleteObjectsTransition: v.object({ condition: v.object({ type: v.literal('Age'), maxAge: v.number() }) }),
});

/** The bucket's rules, acting as if it were that time (epoch ms). */
export function expireObjects({ store, runtime }: ApiContext, name: string, now: number): Promise<readonly string[]> {
  const bucket = store.current().buckets.find((one) => one.name === name);
  if (bucket === undefined) throw new Error(`there is no bucket ${name}`);
  const rules = bucket.lifecycle.flatMap((rule) => {
    const parsed = v.safeParse(Expiry, rule);
    if (!parsed.success || !parsed.output.enabled) return [];
    const { conditions, deleteObjectsTransition } = parsed.output;
    return [{ prefix: conditions.prefix, maxAgeSeconds: deleteObjectsTransition.condition.maxAge }];
  });
  return runtime.expireObjects(name, rules, now);
}

function listBuckets(current: () => Account) {
  return (request: ApiRequest) => {
    const { name_contains: part, start_after: after, cursor, direction, per_page: perPage = 20 } = request.query;
    const order = direction === 'desc' ? -1 : 1;
    const from = typeof cursor === 'string' ? cursor : after;
    const matching = (isForeign(request) ? [] : current().buckets)
      .filter((one) => typeof part !== 'string' || one.name.includes(part))
      .sort((a, b) => (a.name < b.name ? -order : order))
      .filter((one) => typeof from !== 'string' || (one.name > from ? order : -order) > 0);
    const shown = matching.slice(0, Number(perPage));
    const last = shown.at(-1);
    const info = {
      per_page: Number(perPage),
      ...(last && matching.length > shown.length ? { cursor: last.name } : {}),
    };
    return ok({ buckets: shown.map(shownBucket) }, info);
  };
}

function shownBucket(bucket: AccountBucket) {
  return {
    name: bucket.name,
    creation_date: bucket.createdOn,
    location: bucket.location,
    storage_class: bucket.storageClass,
    jurisdiction: 'default',
  };
}

/** The bucket that the path names. Throws the vendor's 10006 when there is none. */
export function bucketNamed(account: Account, request: ApiRequest): AccountBucket {
  const bucket = account.buckets.find((one) => one.name === request.params['bucket_name']);
  if (bucket === undefined || isForeign(request)) {
    throw new ApiFailure(404, 10006, 'The specified bucket does not exist.');
  }
  return bucket;
}

/** A bucket is seen only under its own jurisdiction, and here all have the default one. */
function isForeign(request: ApiRequest): boolean {
  return (request.headers['cf-r2-jurisdiction'] ?? 'default') !== 'default';
}

async function removeBucket(runtime: ApiContext['runtime'], name: string): Promise<void> {
  try {
    await runtime.removeBucket(name);
  } catch (error) {
    if (!(error instanceof Error) || error.message !== 'bucket not empty') throw error;
    throw new ApiFailure(409, 10008, 'The bucket you tried to delete is not empty.');
  }
}

function refuseTwins(rules: readonly Record<string, unknown>[]): void {
  const ids = rules.map((one) => one['id']);
  if (rules.length > 1000) throw new ApiFailure(400, 10040, 'A bucket can have at most 1000 lifecycle rules.');
  if (new Set(ids).size < ids.length) throw new ApiFailure(400, 10040, 'Lifecycle rule ids must be unique.');
}

function refuseBadOrigins(origins: readonly string[]): void {
  const bad = origins.find((one) => one !== '*' && !/^https?:\/\/[^/\s]+$/.test(one));
  if (bad !== undefined) throw new ApiFailure(400, 10040, `CORS origin "${bad}" must be scheme://host[:port].`);
}
