import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { errorText } from '../../rollout/error-text.ts';
import type { ObjectMeta } from '../providers.ts';
import type { PartUploads, UploadId } from '../store-abilities.ts';
import { inParts } from './parts.ts';

/** Parts of one object on their way at once; each is held in memory whole, and one more is being filled. */
const PARTS_AT_ONCE = 2;

/**
 * Uploads a stream in equal parts and a smaller last one, each with its MD5. Whatever goes wrong, the upload is
 * aborted and nothing is stored under the key.
 * @throws Error when `body` does not hold exactly `size` bytes.
 */
export async function uploadInParts(
  uploads: PartUploads,
  key: string,
  body: Readable | Uint8Array,
  size: number,
  meta: ObjectMeta,
  partSize: number,
): Promise<{ etag: string }> {
  const upload = { key, id: await uploads.createUpload(key, meta) };
  try {
    return await uploads.publishUpload(upload, size, await uploadParts(uploads, upload, body, size, partSize));
  } catch (error) {
    await abort(uploads, upload, error);
    throw error;
  }
}

async function uploadParts(
  uploads: PartUploads,
  upload: UploadId,
  body: Readable | Uint8Array,
  size: number,
  partSize: number,
): Promise<string[]> {
  const etags: string[] = [];
  const onTheWay = new Set<Promise<void>>();
  const failures: unknown[] = [];
  let sent = 0;

  const start = (part: Buffer, number: number): void => {
    const md5 = createHash('md5').update(part).digest('hex');
    const put = uploads
      .putPart(upload, number, part, md5)
      .then((etag) => {
        // Supabase accepts a wrong Content-MD5, so what it says that it stored is compared as well.
        if (/^[0-9a-f]{32}$/.test(etag) && etag !== md5)
          throw new Error(`part ${number} of ${upload.key} was stored with the MD5 ${etag}, sent was ${md5}`);
        etags[number - 1] = etag;
      })
      .catch((error: unknown) => {
        failures.push(error);
      })
      .finally(() => onTheWay.delete(put));
    onTheWay.add(put);
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
  if (sent !== size) throw new Error(`the body of ${upload.key} held ${sent} bytes, announced were ${size}`);
  return etags;
}

/** Parts cost money until they are aborted. What is not aborted here, the bucket's lifecycle rule takes away. */
async function abort(uploads: PartUploads, upload: UploadId, reason: unknown): Promise<void> {
  try {
    await uploads.deleteUpload(upload);
  } catch (error) {
    throw new Error(`the upload of ${upload.key} failed (${errorText(reason)}) and could not be aborted`, {
      cause: error,
    });
  }
}
