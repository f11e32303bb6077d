import type { SystemHeader } from '../object-meta.ts';
import { createObjectStore, type ObjectStoreOptions } from '../s3/object-store.ts';
import { refusedByStorage } from './storage-keys.ts';

/** Whether this is the S3 endpoint of a Supabase project, hosted or not: `https://<project>/storage/v1/s3`. */
/** Dropped by a PUT without a word (seen on supabase/storage 1.11.2); its REST API tells none of them either. */
export const UNHELD_HEADERS: readonly SystemHeader[] = [
  'contentDisposition',
  'contentEncoding',
  'contentLanguage',
  'expires',
];

export function isSupabaseS3(endpoint: string): boolean {
  return new URL(endpoint).pathname.replace(/\/$/, '').endsWith('/storage/v1/s3');
}

/** One bucket of Supabase Storage over S3, with what its server does otherwise than S3. */
export function createSupabaseS3(options: ObjectStoreOptions): ReturnType<typeof createObjectStore> {
  // The present server says that it encodes a listing's keys (seen on supabase/storage 1.11.2); not every one has.
  return {
    ...createObjectStore({ ...options, mayEncodeUntold: true }),
    refuses: refusedByStorage,
    unheldHeaders: UNHELD_HEADERS,
  };
}
