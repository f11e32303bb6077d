import { createHash } from 'node:crypto';
import * as v from 'valibot';
import type { ObjectHead, ObjectMeta } from '../providers.ts';
import { ObjectChanged, type CopySource, type PartUploads, type StoreAbilities } from '../store-abilities.ts';
import { metaHeaders, parseXml, unquote } from './answers.ts';
import { isPreconditionFailed } from '../provider-error.ts';
import type { PartNames } from './part-names.ts';
import { partSizeFor } from './parts.ts';
import type { BucketAddress, SignedRequests } from './signed-requests.ts';
import { encodeKey } from './sigv4.ts';

const GIB = 1024 ** 3;

export interface CopyLimits {
  /** CopyObject takes no larger one, bytes; it is copied in parts. */
  readonly mostWholeBytes: number;
  /** Of a part, bytes: more of them where 10,000 would not do. */
  readonly partBytes: number;
}
const LIMITS: CopyLimits = { mostWholeBytes: 5 * GIB, partBytes: GIB };

const copied = v.object({ CopyObjectResult: v.object({ ETag: v.string() }) });
const copiedPart = v.object({ CopyPartResult: v.object({ ETag: v.string() }) });

interface Tools {
  readonly requests: SignedRequests;
  readonly again: <Answer>(call: () => Promise<Answer>) => Promise<Answer>;
  readonly uploads: PartUploads;
  readonly partNames: PartNames;
  readonly head: (key: string) => Promise<ObjectHead | null>;
}

/** Copies between two buckets of one endpoint that one credential opens: the bytes stay where they are. */
export function createServerSideCopy(
  address: BucketAddress,
  { requests, again, uploads, partNames, head: look }: Tools,
  { mostWholeBytes, partBytes } = LIMITS,
): Pick<StoreAbilities, 'copySource' | 'putCopy'> {
  const { endpoint, accessKeyId, secretAccessKey, sessionToken, bucket } = address;
  // Hashed, so that it may be compared and printed without telling the secret.
  const identity = createHash('sha256')
    .update(JSON.stringify([endpoint, accessKeyId, secretAccessKey, sessionToken]))
    .digest('hex');

  /**
   * Whether the server has taken a copy for an object of no bytes, as one does that does not know the header: it is
   * asked no more. What it stored is put right by whoever then sends the bytes.
   */
  let ignored = false;

  const sourceHeader = (source: CopySource): Record<string, string> => ({
    'x-amz-copy-source': `/${encodeKey(`${source.bucket}/${source.key}`)}`,
  });

  async function copyWhole(
    key: string,
    source: CopySource,
    head: ObjectHead,
    meta: ObjectMeta,
  ): Promise<{ etag: string } | null> {
    const headers = {
      ...sourceHeader(source),
      'x-amz-copy-source-if-match': `"${head.etag}"`,
      // What was not told would be lost in a replacement: then all of the source's is kept, and nothing added.
      ...(meta.untold === undefined
        ? { ...metaHeaders(meta, key), 'x-amz-metadata-directive': 'REPLACE' }
        : { 'x-amz-metadata-directive': 'COPY' }),
    };
    return again(async () => {
      const answer = await requests.call('PUT', key, { headers });
      if (answer.body.byteLength === 0) return null;
      const { CopyObjectResult } = requests.readAnswer('CopyObject', answer, (body) => parseXml(copied, body));
      return { etag: unquote(CopyObjectResult.ETag) };
    });
  }

  /** R2 knows no condition for a part: the source is looked at again before the parts become an object. */
  async function copyInParts(
    key: string,
    source: CopySource,
    head: ObjectHead,
    meta: ObjectMeta,
  ): Promise<{ etag: string } | null> {
    const { size } = head;
    const upload = { key, id: await uploads.createUpload(key, meta) };
    const partSize = partSizeFor(size, partBytes);
    const etags: string[] = [];
    try {
      for (let start = 0; start < size; start += partSize) {
        const range = `bytes=${start}-${Math.min(size, start + partSize) - 1}`;
        const headers = { ...sourceHeader(source), 'x-amz-copy-source-range': range };
        const query = { partNumber: String(etags.length + 1), uploadId: upload.id };
        const etag = await again(async () => {
          const answer = await requests.call('PUT', key, { query, headers });
          if (answer.body.byteLength === 0) return null;
          const { CopyPartResult } = requests.readAnswer('UploadPartCopy', answer, (body) =>
            parseXml(copiedPart, body),
          );
          return partNames.hear(upload.id, CopyPartResult.ETag);
        });
        if (etag === null) {
          await uploads.deleteUpload(upload);
          return null;
        }
        etags.push(etag);
      }
      if ((await source.look())?.etag !== head.etag) throw new ObjectChanged(`${head.key} changed while it was copied`);
      return await uploads.publishUpload(upload, size, etags);
    } catch (error) {
      await uploads.deleteUpload(upload);
      throw error;
    }
  }

  return {
    copySource: (key) => ({ identity, bucket, key, look: () => look(key) }),
    async putCopy(key, source, head, metaOf) {
      if (source.identity !== identity || ignored) return null;
      const meta = await metaOf();
      if (meta === null) return null;
      try {
        const stored = await (head.size > mostWholeBytes ? copyInParts : copyWhole)(key, source, head, meta);
        ignored ||= stored === null;
        return stored;
      } catch (error) {
        if (isPreconditionFailed(error)) throw new ObjectChanged(`${head.key} changed while it was copied`);
        throw error;
      }
    },
  };
}
