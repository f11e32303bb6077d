import { createHash } from 'node:crypto';
import * as v from 'valibot';
import type { ObjectHead, ObjectMeta, ObjectStore } from '../providers.ts';
import { ObjectChanged, type PartUploads, type StoreAbilities } from '../store-abilities.ts';
import { metaHeaders, parseXml, unquote } from './answers.ts';
import { isPreconditionFailed } from '../provider-error.ts';
import { partSizeFor } from './parts.ts';
import type { BucketAddress, SignedRequests } from './signed-requests.ts';
import { encodeKey } from './sigv4.ts';

const GIB = 1024 ** 3;
/** CopyObject takes no larger one. */
const MOST_WHOLE_BYTES = 5 * GIB;
const PART_BYTES = GIB;

const copied = v.object({ CopyObjectResult: v.object({ ETag: v.string() }) });
const copiedPart = v.object({ CopyPartResult: v.object({ ETag: v.string() }) });

/** Copies between two buckets of one endpoint that one credential opens: the bytes stay where they are. */
export function createServerSideCopy(
  address: BucketAddress,
  requests: SignedRequests,
  again: <Answer>(call: () => Promise<Answer>) => Promise<Answer>,
  uploads: PartUploads,
): Pick<StoreAbilities, 'identity' | 'putCopy'> {
  const { endpoint, accessKeyId, secretAccessKey } = address;
  // Hashed, so that it may be compared and printed without telling the secret.
  const identity = createHash('sha256')
    .update(JSON.stringify([endpoint, accessKeyId, secretAccessKey]))
    .digest('hex');

  function sourceHeaders(source: ObjectStore, head: ObjectHead): Record<string, string> {
    return {
      'x-amz-copy-source': `/${encodeKey(`${source.bucket}/${head.key}`)}`,
      'x-amz-copy-source-if-match': `"${head.etag}"`,
    };
  }

  async function copyWhole(source: ObjectStore, head: ObjectHead, meta: ObjectMeta): Promise<{ etag: string }> {
    const headers = { ...sourceHeaders(source, head), ...metaHeaders(meta), 'x-amz-metadata-directive': 'REPLACE' };
    return again(async () => {
      const answer = await requests.call('PUT', head.key, { headers });
      const { CopyObjectResult } = requests.readAnswer('CopyObject', answer, (body) => parseXml(copied, body));
      return { etag: unquote(CopyObjectResult.ETag) };
    });
  }

  async function copyInParts(source: ObjectStore, head: ObjectHead, meta: ObjectMeta): Promise<{ etag: string }> {
    const { key, size } = head;
    const upload = { key, id: await uploads.createUpload(key, meta) };
    const partSize = partSizeFor(size, PART_BYTES);
    const etags: string[] = [];
    try {
      for (let start = 0; start < size; start += partSize) {
        const range = `bytes=${start}-${Math.min(size, start + partSize) - 1}`;
        const headers = { ...sourceHeaders(source, head), 'x-amz-copy-source-range': range };
        const query = { partNumber: String(etags.length + 1), uploadId: upload.id };
        const etag = await again(async () => {
          const answer = await requests.call('PUT', key, { query, headers });
          const { CopyPartResult } = requests.readAnswer('UploadPartCopy', answer, (body) =>
            parseXml(copiedPart, body),
          );
          return unquote(CopyPartResult.ETag);
        });
        etags.push(etag);
      }
      return await uploads.publishUpload(upload, size, etags);
    } catch (error) {
      await uploads.deleteUpload(upload);
      throw error;
    }
  }

  return {
    identity,
    async putCopy(source, head, metaOf) {
      if (source.identity !== identity || source.bucket === undefined) return null;
      const meta = await metaOf();
      if (meta === null) return null;
      try {
        return await (head.size > MOST_WHOLE_BYTES ? copyInParts : copyWhole)(source, head, meta);
      } catch (error) {
        if (isPreconditionFailed(error)) throw new ObjectChanged(`${head.key} changed while it was copied`);
        throw error;
      }
    },
  };
}
