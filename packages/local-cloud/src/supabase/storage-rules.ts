import * as v from 'valibot';
import type { Bucket } from './object-store.ts';
import { StorageError } from './storage-error.ts';

/** The keys that the real server takes; it refuses all others (`isValidKey` of supabase/storage). */
const KEY = /^[\w/!.*'() &$@=;:+,?-]+$/;
/** S3's limit, in bytes; every character that is left is one. */
const LONGEST_KEY = 1024;
const BUCKET_NAME = /^[\w!.*'() &$@=;:+,?-]{1,63}$/;
/** `FILE_SIZE_LIMIT` of a paid project may be raised so far (https://supabase.com/docs/guides/storage/uploads/file-limits). */
export const HIGHEST_FILE_SIZE_LIMIT = 500_000_000_000;

export function mustBeValidKey(name: string): void {
  if (name.length > LONGEST_KEY || !KEY.test(name)) throw new StorageError('InvalidKey', `Invalid key: ${name}`);
}

export function mustBeValidBucketName(name: string): void {
  if (!BUCKET_NAME.test(name)) throw new StorageError('InvalidBucketName');
}

/** The largest object that a bucket of this project takes, in bytes. */
export function fileSizeLimit(bucket: Bucket, projectLimit: number): number {
  return Math.min(projectLimit, bucket.fileSizeLimit ?? Infinity);
}

export function mustBeAllowedType(bucket: Bucket, mimetype: string): void {
  const allowed = bucket.allowedMimeTypes ?? [];
  const [type = '', subtype = ''] = mimetype.split('/');
  const fits = (pattern: string): boolean => {
    const [wantedType = '', wantedSubtype = ''] = pattern.split('/');
    return type === wantedType && (wantedSubtype === '*' || subtype === wantedSubtype);
  };
  if (allowed.length > 0 && !allowed.some(fits))
    throw new StorageError('InvalidMimeType', `mime type ${mimetype} is not supported`);
}

const SIZE = /^(\d+(?:\.\d+)?)(gb|mb|kb|b)$/i;
const UNITS: Readonly<Record<string, number>> = { b: 1, kb: 1e3, mb: 1e6, gb: 1e9 };

/** A bucket's limit as it is told over REST: bytes, or a number with a (decimal) unit. */
export function parseFileSizeLimit(told: string | number | null, projectLimit: number): number | null {
  if (told === null) return null;
  const [, amount = '', unit = ''] = typeof told === 'string' ? (SIZE.exec(told) ?? []) : [];
  const bytes = typeof told === 'number' ? told : Number(amount) * (UNITS[unit.toLowerCase()] ?? NaN);
  if (!Number.isSafeInteger(bytes) || bytes < 0) throw new StorageError('InvalidFileSizeLimit');
  if (bytes > projectLimit) throw new StorageError('EntityTooLarge');
  return bytes;
}

const userMetadata = v.pipe(v.string(), v.parseJson(), v.record(v.string(), v.unknown()));

/** Custom metadata as REST is told it: JSON. What is none is taken for none, as the server does. */
export function parseUserMetadata(text: string): Record<string, unknown> {
  const parsed = v.safeParse(userMetadata, text);
  return parsed.success ? parsed.output : {};
}
