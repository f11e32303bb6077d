import { createObjectStore, type ObjectStoreOptions } from './s3/object-store.ts';
import { createSupabaseS3, isSupabaseS3 } from './supabase/supabase-s3.ts';

/** One bucket over S3, with what is known of the vendor behind its endpoint. Whoever opens it closes it. */
export function openS3Bucket(options: ObjectStoreOptions): ReturnType<typeof createObjectStore> {
  return isSupabaseS3(options.endpoint) ? createSupabaseS3(options) : createObjectStore(options);
}
