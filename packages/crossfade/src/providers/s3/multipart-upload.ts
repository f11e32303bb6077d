import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { errorText } from '../../rollout/error-text.ts';
import { isNotFound } from '../provider-error.ts';
import type { ObjectMeta } from '../providers.ts';
import { retrying } from '../retry.ts';
import { begunUpload, completedUpload, headerText, metaHeaders, parseXml, unquote } from './answers.ts';
import { inParts } from './parts.ts';
import type { SignedRequests } from './signed-requests.ts';

/** Parts of one object on their way at once; each is held in memory whole, and one more is being filled. */
const PARTS_AT_ONCE = 2;
const MOST_PARTS = 10_000;
const MIB = 1024 * 1024;

/** Size of the equal parts, bytes: as configured, larger only where 10,000 of them would not hold the object. */
export function partSizeFor(size: number, configured: number): number {
  return Math.max(configured, Math.ceil(size / MOST_PARTS / MIB) * MIB);
}

/**
 * Uploads in equal parts and a smaller last one, each with its MD5 and repeated alone after a passing fault.
 * Whatever goes wrong, the upload is aborted and nothing is stored under the key.
 * @throws Error when `body` does not hold exactly `size` bytes.
 */
export async function uploadInParts(
  requests: SignedRequests,
  key: string,
  body: Readable | Uint8Array,
  size: number,
  meta: ObjectMeta,
  partSize: number,
): Promise<{ etag: string }> {
  const uploadId = await retrying(async () => {
    const begun = await requests.send('POST', key, { query: { uploads: '' }, headers: metaHeaders(meta) });
    const answer = await requests.readAnswer('CreateMultipartUpload', begun, (text) => parseXml(begunUpload, text));
    return answer.InitiateMultipartUploadResult.UploadId;
  });
  try {
    const etags = await uploadParts(requests, key, uploadId, body, size, partSize);
    const parts = etags.map(
      (etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>"${etag}"</ETag></Part>`,
    );
    const response = await requests.send('POST', key, {
      query: { uploadId },
      headers: { 'content-type': 'application/xml' },
      body: `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`,
    });
    const answer = await requests.readAnswer('CompleteMultipartUpload', response, (text) =>
      parseXml(completedUpload, text),
    );
    return { etag: unquote(answer.CompleteMultipartUploadResult.ETag) };
  } catch (error) {
    await abort(requests, key, uploadId, error);
    throw error;
  }
}

async function uploadParts(
  requests: SignedRequests,
  key: string,
  uploadId: string,
  body: Readable | Uint8Array,
  size: number,
  partSize: number,
): Promise<string[]> {
  const etags: string[] = [];
  const onTheWay = new Set<Promise<void>>();
  const failures: unknown[] = [];
  let sent = 0;

  const start = (part: Buffer, number: number): void => {
    const upload = uploadPart(requests, key, uploadId, part, number)
      .then((etag) => {
        etags[number - 1] = etag;
      })
      .catch((error: unknown) => {
        failures.push(error);
      })
      .finally(() => onTheWay.delete(upload));
    onTheWay.add(upload);
  };

  try {
    for await (const part of inParts(body, partSize)) {
      sent += part.byteLength;
      start(part, Math.ceil(sent / partSize));
      if (onTheWay.size >= PARTS_AT_ONCE) await Promise.race(onTheWay);
      if (failures.length > 0) break;
    }
  } finally {
    // None may still be writing when the upload is completed or aborted.
    await Promise.all(onTheWay);
  }
  if (failures.length > 0) throw failures[0];
  if (sent !== size) throw new Error(`the body of ${key} held ${sent} bytes, announced were ${size}`);
  return etags;
}

function uploadPart(
  requests: SignedRequests,
  key: string,
  uploadId: string,
  part: Buffer,
  number: number,
): Promise<string> {
  const md5 = createHash('md5').update(part).digest();
  const headers = { 'content-length': String(part.byteLength), 'content-md5': md5.toString('base64') };
  return retrying(async () => {
    const query = { partNumber: String(number), uploadId };
    const response = await requests.send('PUT', key, { query, headers, body: part });
    await response.body.dump();
    const etag = unquote(headerText(response.headers['etag']) ?? '');
    // Supabase accepts a wrong Content-MD5, so what it says that it stored is compared as well.
    if (/^[0-9a-f]{32}$/.test(etag) && etag !== md5.toString('hex')) {
      throw new Error(`part ${number} of ${key} was stored with the MD5 ${etag}, sent was ${md5.toString('hex')}`);
    }
    return etag;
  });
}

/** Parts cost money until they are aborted. What is not aborted here, the bucket's lifecycle rule takes away. */
async function abort(requests: SignedRequests, key: string, uploadId: string, reason: unknown): Promise<void> {
  try {
    const response = await retrying(() => requests.send('DELETE', key, { query: { uploadId } }));
    await response.body.dump();
  } catch (error) {
    if (isNotFound(error)) return;
    throw new Error(`the upload of ${key} failed (${errorText(reason)}) and could not be aborted`, { cause: error });
  }
}
