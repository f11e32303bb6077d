import { createObjectStore, type ObjectStoreOptions } from './s3/object-store.ts';
import { createSupabaseS3, isSupabaseS3, type ProjectAddress } from './supabase/supabase-s3.ts';

/**
 * One bucket over S3, with what is known of the vendor behind its endpoint; `project` is for
 * Supabase's, where its URL and service key are known. Whoever opens it closes it.
 */
export function openS3Bucket(
  options: ObjectStoreOptions,
  project: ProjectAddress | null = null,
): ReturnType<typeof createObjectStore> {
  return isSupabaseS3(options.endpoint) ? createSupabaseS3(options, project) : createObjectStore(options);
}
