import type { ObjectHead } from '../providers/providers.ts';
import { isPlainMd5, partsOf } from './composite-etag.ts';

/**
 * When a store's word for an object's bytes is believed.
 *
 * | what a store tells                                  | equal to our own, or to the other side's | not equal                  |
 * | --------------------------------------------------- | ---------------------------------------- | -------------------------- |
 * | ETag of 32 hex digits                                | the bytes are those of that MD5           | nothing: see below         |
 * | ETag of 32 hex digits and `-N`                       | the bytes are those parts                 | nothing: other part sizes  |
 * | either, with a header of SSE-KMS, DSSE or SSE-C      | not compared: no hash of the bytes        | nothing                    |
 * | any other ETag: a time, a counter, a version         | not compared: two stores may both use 1   | nothing                    |
 * | the MD5 that a folder computes from the file         | the bytes are those of that MD5           | other bytes                |
 * | `x-amz-checksum-*`, FULL_OBJECT or COMPOSITE         | not used                                  | not used                   |
 * | `Content-MD5` that a store has accepted              | nothing: Supabase accepts a wrong one     | the store refuses the bytes |
 *
 * A 32-digit ETag looks like an MD5 and need not be one: S3 makes others under SSE-KMS, DSSE and SSE-C, and R2 under
 * SSE-C (S3 API, "Object"; rclone#1824, s3cmd#498, s3fs#584). GET, HEAD and the answers to uploads name the encryption
 * in a header, `ObjectHead.opaqueEtag`; a listing does not, and not every store does. That two such values agree by
 * chance is out of the question, so agreement proves. Disagreement does not: then a source is read a second time and a
 * target is read back, and their SHA-256 decides.
 *
 * `x-amz-checksum-*` is not used although FULL_OBJECT ones would prove: a listing has none, few objects have one, R2
 * and Supabase keep none of those that a client did not send, and our own SHA-256 of what was read says more.
 */

/** The MD5 that a store names for an object, as far as its ETag may be one. */
export function md5Named({ etag, opaqueEtag }: Pick<ObjectHead, 'etag' | 'opaqueEtag'>): string | null {
  return opaqueEtag !== true && isPlainMd5(etag) ? etag : null;
}

/** Number of the parts whose MD5s an object's ETag is made of; `null` where it is made of no such thing. */
export function partsNamed({ etag, opaqueEtag }: Pick<ObjectHead, 'etag' | 'opaqueEtag'>): number | null {
  return opaqueEtag === true ? null : partsOf(etag);
}

/** Whether the ETags alone show that two objects hold the same bytes. */
export function etagsAgree(a: ObjectHead, b: ObjectHead): boolean {
  if (a.size !== b.size || a.etag !== b.etag) return false;
  return (md5Named(a) !== null && md5Named(b) !== null) || (partsNamed(a) !== null && partsNamed(b) !== null);
}
