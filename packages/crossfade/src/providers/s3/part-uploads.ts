import { isNotFound, isRetryable, ProviderError } from '../provider-error.ts';
import type { ObjectHead } from '../providers.ts';
import { backOffMs } from '../retry.ts';
import type { PartUploads, UnfinishedUpload } from '../store-abilities.ts';
import {
  begunUpload,
  completedUpload,
  headerText,
  metaHeaders,
  parseXml,
  unfinishedUploads,
  unquote,
  uploadedParts,
} from './answers.ts';
import type { PartNames } from './part-names.ts';
import { compositeEtagOf, partSizeFor } from './parts.ts';
import type { SignedRequests } from './signed-requests.ts';

const PLAIN_MD5 = /^[0-9a-f]{32}$/;
/** Of one key; more than a crash or two leave none. */
const MOST_UPLOADS = 3;
const COMPLETE_ATTEMPTS = 4;

export interface StoreCalls {
  readonly requests: SignedRequests;
  again<Answer>(call: (attempt: number) => Promise<Answer>): Promise<Answer>;
  head(key: string): Promise<ObjectHead | null>;
  readonly partNames: PartNames;
  readonly pace: number;
}

/** Multipart uploads over S3. Each part is repeated alone after a passing fault. */
export function createPartUploads(calls: StoreCalls, partSizeBytes: number): PartUploads {
  const { requests, again, head, partNames, pace } = calls;
  const complete: PartUploads['publishUpload'] = async ({ key, id }, _size, etags) => {
    const rows = etags.map((etag, index) => {
      const name = escapeXml(partNames.toLetter(id, etag));
      return `<Part><PartNumber>${index + 1}</PartNumber><ETag>${name}</ETag></Part>`;
    });
    const answer = await requests.call('POST', key, {
      query: { uploadId: id },
      headers: { 'content-type': 'application/xml' },
      body: `<CompleteMultipartUpload>${rows.join('')}</CompleteMultipartUpload>`,
    });
    const completed = requests.readAnswer('CompleteMultipartUpload', answer, (body) => parseXml(completedUpload, body));
    return { etag: unquote(completed.CompleteMultipartUploadResult.ETag) };
  };

  async function listParts(key: string, id: string): Promise<UnfinishedUpload> {
    const parts: { number: number; size: number | null; md5: string }[] = [];
    let marker: string | undefined;
    do {
      const query = { uploadId: id, ...(marker === undefined ? {} : { 'part-number-marker': marker }) };
      const answer = await again(() => requests.call('GET', key, { query }));
      const page = requests.readAnswer('ListParts', answer, (body) => parseXml(uploadedParts, body)).ListPartsResult;
      for (const { PartNumber, ETag, Size } of page.Part)
        parts.push({
          number: Number(PartNumber),
          size: Size === undefined ? null : Number(Size),
          md5: partNames.hear(id, ETag),
        });
      marker = page.IsTruncated === 'true' ? page.NextPartNumberMarker : undefined;
    } while (marker !== undefined);
    return { id, parts };
  }

  return {
    partSizeFor: (size) => (size <= partSizeBytes ? null : partSizeFor(size, partSizeBytes)),
    createUpload: (key, meta) =>
      again(async () => {
        const begun = await requests.call('POST', key, { query: { uploads: '' }, headers: metaHeaders(meta, key) });
        const answer = requests.readAnswer('CreateMultipartUpload', begun, (body) => parseXml(begunUpload, body));
        return answer.InitiateMultipartUploadResult.UploadId;
      }),
    putPart({ key, id }, number, bytes, md5) {
      const headers = {
        'content-length': String(bytes.byteLength),
        'content-md5': Buffer.from(md5, 'hex').toString('base64'),
      };
      return again(async () => {
        const query = { partNumber: String(number), uploadId: id };
        const { headers: answered } = await requests.call('PUT', key, { query, headers, body: bytes });
        return partNames.hear(id, headerText(answered['etag']) ?? '');
      });
    },
    async publishUpload(upload, size, etags) {
      // S3's rule, for parts that are named by their MD5s; a store may have names of its own.
      const expected = etags.every((etag) => PLAIN_MD5.test(etag)) ? compositeEtagOf(etags) : null;
      // What lies there already may look like what is to come: as large, and of as many parts.
      const before = await head(upload.key);
      for (let attempt = 1; ; attempt++) {
        try {
          const completed = await complete(upload, size, etags);
          partNames.forget(upload.id);
          return completed;
        } catch (error) {
          // After a lost answer the repetition finds no upload any more: then the object is what tells.
          const over = attempt > 1 && isNotFound(error);
          if (!over && !isRetryable(error)) throw error;
          const stored = await head(upload.key);
          if (stored !== null && stored.etag === expected) return { etag: expected };
          // A store with ETags of its own: as many parts and bytes, another object than before, and the upload is gone.
          const isNew = before === null || stored?.etag !== before.etag || stored.lastModified !== before.lastModified;
          if (over && isNew && stored?.size === size && stored.etag.endsWith(`-${etags.length}`))
            return { etag: stored.etag };
          if (over || attempt === COMPLETE_ATTEMPTS) throw error;
          await new Promise((resolve) => setTimeout(resolve, backOffMs(attempt) * pace));
        }
      }
    },
    async deleteUpload({ key, id }) {
      partNames.forget(id);
      try {
        await again(() => requests.call('DELETE', key, { query: { uploadId: id } }));
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    },
    async listUploads(key) {
      try {
        const answer = await again(() => requests.call('GET', '', { query: { uploads: '', prefix: key } }));
        const { Upload } = requests.readAnswer('ListMultipartUploads', answer, (body) =>
          parseXml(unfinishedUploads, body),
        ).ListMultipartUploadsResult;
        const own = Upload.filter((upload) => upload.Key === key).toSorted((a, b) =>
          a.Initiated < b.Initiated ? 1 : -1,
        );
        const all: UnfinishedUpload[] = [];
        for (const { UploadId } of own.slice(0, MOST_UPLOADS)) all.push(await listParts(key, UploadId));
        return all;
      } catch (error) {
        // Not every store lists them. Without the list nothing is lost but the time that resuming would have saved.
        if (error instanceof ProviderError && (!error.retryable || error.code === 'malformed')) return [];
        throw error;
      }
    },
  };
}

const escapeXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
