import { createObjectStore, type ObjectStoreOptions } from '../s3/object-store.ts';
import { listingOf, pagesOf } from '../listing.ts';
import type { ObjectMeta } from '../object-meta.ts';
import { UNHELD_HEADERS } from './object-info.ts';
import { refusedByStorage } from './storage-keys.ts';
import { createStorageRest, type StorageRestOptions } from './storage-rest.ts';
import { demandBucket, demandServiceRole, untilPassed } from './storage-view.ts';

/** Whether this is the S3 endpoint of a Supabase project, hosted or not: `https://<project>/storage/v1/s3`. */
export function isSupabaseS3(endpoint: string): boolean {
  return new URL(endpoint).pathname.replace(/\/$/, '').endsWith('/storage/v1/s3');
}

/** The project's REST interface, which tells metadata that S3's headers cannot. */
export type ProjectAddress = Pick<StorageRestOptions, 'url' | 'serviceKey'>;

/** One bucket of Supabase Storage over S3, with what its server does otherwise than S3 (seen on supabase/storage 1.11.2). */
export function createSupabaseS3(
  options: ObjectStoreOptions,
  project: ProjectAddress | null = null,
): ReturnType<typeof createObjectStore> {
  const { label, bucket, sessionToken } = options;
  const store = createObjectStore({
    ...options,
    // The present server says that it encodes a listing's keys; not every one has.
    mayEncodeUntold: true,
    // HEAD of such a key is 400, without a word.
    cannotHold: (key) => refusedByStorage(key) !== null,
  });
  const rest =
    project === null ? null : createStorageRest({ label, bucket, url: project.url, serviceKey: project.serviceKey });
  const demandWholeView = untilPassed(async () => {
    // A user's access token: policies filter over S3 as they do over REST. Access keys pass by all of them
    // (https://supabase.com/docs/guides/storage/s3/authentication).
    if (sessionToken !== undefined) demandServiceRole(label, `list ${bucket}`, sessionToken, 'session token');
    demandBucket(label, bucket, await store.bucketExists());
  });

  return {
    ...store,
    refuses: refusedByStorage,
    unheldHeaders: UNHELD_HEADERS,
    list: (prefix, after) =>
      listingOf(async function* () {
        await demandWholeView();
        yield* pagesOf(store.list(prefix, after));
      }),
    async head(key) {
      const head = await store.head(key);
      if (head === null || head.meta.untold === undefined || rest === null) return head;
      const told = await rest.head(key);
      if (told === null || told.etag !== head.etag) return head;
      const { untold: _counted, ...system } = head.meta;
      return { ...head, meta: { ...system, ...readOnlyCustom(told.meta) } };
    },
    async close() {
      await Promise.all([store.close(), rest?.close()]);
    },
  };
}

const readOnlyCustom = ({ custom, untold }: ObjectMeta): Pick<ObjectMeta, 'custom' | 'untold'> =>
  untold === undefined ? { custom } : { custom, untold };
