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
  if (isSupabaseS3(options.endpoint)) return createSupabaseS3(options, project);
  const normalizesKeys = options.normalizesKeys === true || isR2(options.endpoint);
  return createObjectStore({ ...options, normalizesKeys });
}

/** The S3 endpoint of an R2 account, of any jurisdiction. */
function isR2(endpoint: string): boolean {
  return new URL(endpoint).hostname.endsWith('.r2.cloudflarestorage.com');
}
