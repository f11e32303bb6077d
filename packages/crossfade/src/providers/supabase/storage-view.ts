import * as v from 'valibot';
import { ProviderError } from '../provider-error.ts';

const claims = v.object({ role: v.string() });

/** The role that a key of a Supabase project speaks for; `null` where the key does not say. */
export function roleOfKey(key: string): string | null {
  // The newer keys (https://supabase.com/docs/guides/api/api-keys) name their kind.
  const kind = /^sb_([a-z]+)_/.exec(key)?.[1];
  if (kind !== undefined) return kind === 'secret' ? 'service_role' : kind;
  const payload = key.split('.')[1] ?? '';
  const parsed = v.safeParse(
    v.pipe(v.string(), v.parseJson(), claims),
    Buffer.from(payload, 'base64url').toString('utf8'),
  );
  return parsed.success ? parsed.output.role : null;
}

/**
 * Row-level security filters listings without an error: whoever may not read all sees part of a bucket, or none of it,
 * below a 200. So only the role that passes by every policy may list (seen on supabase/storage 1.11.2). A key that
 * names no role is left to the server, which does not take it.
 * @throws ProviderError
 */
export function demandServiceRole(
  label: string,
  operation: string,
  key: string,
  kind: 'key' | 'session token' = 'key',
): void {
  const role = roleOfKey(key);
  if (role === null || role === 'service_role') return;
  throw new ProviderError(label, operation, {
    status: 403,
    reached: false,
    retryable: false,
    code: 'PartialView',
    message: `a ${kind} of the role ${JSON.stringify(role)} sees only what the policies of the bucket show it, and a part of a bucket must not pass for all of it`,
    hint: 'use the service_role key (or a secret key, sb_secret_…), or S3 access keys',
    secrets: [key],
  });
}

/** @throws ProviderError for a bucket that is not there: its listing would be empty, and complete */
export function demandBucket(label: string, bucket: string, exists: boolean): void {
  if (exists) return;
  throw new ProviderError(label, `GET bucket/${bucket}`, {
    status: 404,
    code: 'NoSuchBucket',
    message: `there is no bucket ${JSON.stringify(bucket)}`,
    hint: "check the bucket's name and the project",
  });
}

/** Runs a check until it has passed once. */
export function untilPassed(check: () => Promise<void>): () => Promise<void> {
  let passed: Promise<void> | null = null;
  return () =>
    (passed ??= check().catch((error: unknown) => {
      passed = null;
      throw error;
    }));
}
