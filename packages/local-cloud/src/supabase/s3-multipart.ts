import type { IncomingMessage, ServerResponse } from 'node:http';
import { XMLParser } from 'fast-xml-parser';
import * as v from 'valibot';
import { escapeXml } from '../escape-xml.ts';
import type { S3Body } from './chunked-body.ts';
import type { Bucket, ObjectFiles, StoredObject } from './object-store.ts';
import { bodyText, sendXml } from './s3-answer.ts';
import { keyEncoding, pageSize } from './s3-lists.ts';
import { newObject, type S3Rules } from './s3-rules.ts';
import { StorageError } from './storage-error.ts';
import { fileSizeLimit, mustBeAllowedType } from './storage-rules.ts';

const parser = new XMLParser({ parseTagValue: false, isArray: (name) => name === 'Part' });
const completion = v.object({
  CompleteMultipartUpload: v.union([
    v.object({ Part: v.array(v.object({ PartNumber: v.string(), ETag: v.string() })) }),
    v.pipe(
      v.literal(''),
      v.transform(() => ({ Part: [] })),
    ),
  ]),
});

interface Part {
  /** MD5, in hex. */
  readonly etag: string;
  readonly size: number;
  readonly writtenAt: Date;
}
interface Upload {
  readonly bucket: string;
  readonly name: string;
  readonly begunAt: Date;
  readonly parts: Map<number, Part>;
}

/** One request that names an upload or begins one. */
export interface MultipartRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly bucket: Bucket;
  readonly name: string;
  readonly query: URLSearchParams;
  readonly body: S3Body;
  /** Finds what `x-amz-copy-source` names; throws `StorageError`. */
  copySource(): Promise<StoredObject>;
}

/** Multipart uploads over S3, and what is told of those that were begun and not ended. */
export function createMultipart(files: ObjectFiles, rules: S3Rules) {
  const uploads = new Map<string, Upload>();
  /** S3 quotes a part's ETag; the file backend tells it as it is, and compares it to the letter. */
  const tell = (etag: string): string => (rules.backend === 's3' ? `"${etag}"` : etag);

  function find(query: URLSearchParams, bucket: string, name: string): { id: string; upload: Upload } {
    const id = query.get('uploadId') ?? '';
    const upload = uploads.get(id);
    if (upload === undefined || !files.hasMultipart(id) || upload.bucket !== bucket || upload.name !== name)
      throw new StorageError('NoSuchUpload', 'The specified multipart upload does not exist');
    return { id, upload };
  }

  async function begin({ request, response, bucket, name }: MultipartRequest): Promise<void> {
    const meta = newObject(request);
    if (meta.mimetype !== null) mustBeAllowedType(bucket, meta.mimetype);
    const id = await files.beginMultipart(meta);
    uploads.set(id, { bucket: bucket.id, name, begunAt: new Date(), parts: new Map() });
    const told = `<Bucket>${escapeXml(bucket.id)}</Bucket><Key>${escapeXml(name)}</Key><UploadId>${id}</UploadId>`;
    sendXml(response, 200, `<InitiateMultipartUploadResult>${told}</InitiateMultipartUploadResult>`);
  }

  async function takePart(asked: MultipartRequest, id: string, upload: Upload): Promise<void> {
    const { request, response, bucket, query } = asked;
    const number = Number(query.get('partNumber'));
    if (!Number.isInteger(number) || number < 1 || number > 10_000)
      throw new StorageError('InvalidRequest', 'Part number must be an integer between 1 and 10000, inclusive');
    const source = request.headers['x-amz-copy-source'] === undefined ? null : await asked.copySource();
    const range = source === null ? null : copyRange(request, source.size);
    const size = source === null ? asked.body.size : range === null ? source.size : range.end - range.start + 1;
    if (size === null) throw new StorageError('MissingContentLength');
    const others = [...upload.parts].reduce((sum, [of, part]) => sum + (of === number ? 0 : part.size), 0);
    if (others + size > fileSizeLimit(bucket, rules.projectLimit)) throw new StorageError('EntityTooLarge');
    const written = await files.writePart(id, number, source === null ? asked.body.bytes : files.read(source, range));
    if (written.size !== size) throw new StorageError('IncompleteBody');
    const part = { ...written, writtenAt: new Date() };
    upload.parts.set(number, part);
    if (source === null) return void response.writeHead(200, { etag: tell(part.etag) }).end();
    const told = `<ETag>${escapeXml(tell(part.etag))}</ETag><LastModified>${part.writtenAt.toISOString()}</LastModified>`;
    sendXml(response, 200, `<CopyPartResult>${told}</CopyPartResult>`);
  }

  /** What the client wants joined; an empty list stands for all parts that there are. */
  function wantedParts(text: string, id: string, upload: Upload): { part: number; etag: string }[] {
    const parsed = v.safeParse(completion, parser.parse(text));
    if (!parsed.success) throw new StorageError('MalformedXML');
    const told = parsed.output.CompleteMultipartUpload.Part.map((one) => ({
      part: Number(one.PartNumber),
      etag: one.ETag.replaceAll('&quot;', '"'),
    }));
    const all = [...upload.parts].toSorted(([a], [b]) => a - b).map(([part, { etag }]) => ({ part, etag: tell(etag) }));
    const wanted = told.length === 0 ? all : told;
    if (wanted.length === 0) throw new StorageError('MalformedXML');
    if (wanted.some(({ part }, index) => part <= (wanted[index - 1]?.part ?? 0)))
      throw new StorageError('InvalidPartOrder');
    return wanted.map(({ part, etag }) => {
      const found = upload.parts.get(part);
      if (rules.backend === 's3') {
        // S3 takes a part's ETag with its quotes or without.
        if (found?.etag !== etag.replaceAll('"', '')) throw new StorageError('InvalidPart');
      } else if (found === undefined)
        throw new StorageError('MissingPart', `Part ${part} is missing for upload id ${id}`);
      else if (found.etag !== etag) throw new StorageError('InvalidChecksum', `Invalid ETag for part ${part}`);
      return { part, etag: etag.replaceAll('"', '') };
    });
  }

  async function complete({ response, bucket, name, body }: MultipartRequest, id: string, upload: Upload) {
    const parts = wantedParts(await bodyText(body.bytes), id, upload);
    const stored = await files.completeMultipart(bucket.id, name, id, parts);
    uploads.delete(id);
    const told = `<Location>${escapeXml(`${bucket.id}/${name}`)}</Location><Bucket>${escapeXml(bucket.id)}</Bucket><Key>${escapeXml(name)}</Key><ETag>&quot;${stored.etag}&quot;</ETag>`;
    sendXml(response, 200, `<CompleteMultipartUploadResult>${told}</CompleteMultipartUploadResult>`);
  }

  function listParts({ response, bucket, name, query }: MultipartRequest, id: string, { parts }: Upload): void {
    const most = pageSize(query, 'max-parts');
    const after = Number(query.get('part-number-marker') ?? 0);
    const all = [...parts].filter(([number]) => number > after).toSorted(([a], [b]) => a - b);
    const page = all.slice(0, most);
    const isTruncated = all.length > most;
    // As measured: what a part's size is, the server does not tell.
    const rows = page.map(
      ([number, part]) =>
        `<Part><PartNumber>${number}</PartNumber><LastModified>${part.writtenAt.toISOString()}</LastModified><ETag>${escapeXml(tell(part.etag))}</ETag>${rules.tellsPartSizes ? `<Size>${part.size}</Size>` : ''}</Part>`,
    );
    const next = isTruncated ? `<NextPartNumberMarker>${page.at(-1)?.[0]}</NextPartNumberMarker>` : '';
    const told = `<Bucket>${escapeXml(bucket.id)}</Bucket><Key>${escapeXml(name)}</Key><UploadId>${id}</UploadId><MaxParts>${most}</MaxParts><IsTruncated>${isTruncated}</IsTruncated>${next}`;
    sendXml(response, 200, `<ListPartsResult>${told}${rows.join('')}</ListPartsResult>`);
  }

  return {
    /** What has `uploads` or `uploadId` in its query, of one object. */
    async handle(asked: MultipartRequest): Promise<void> {
      const { request, response, query, bucket, name } = asked;
      if (request.method === 'POST' && query.has('uploads')) return begin(asked);
      const { id, upload } = find(query, bucket.id, name);
      if (request.method === 'GET') return listParts(asked, id, upload);
      if (request.method === 'PUT') return takePart(asked, id, upload);
      if (request.method === 'POST') return complete(asked, id, upload);
      if (request.method !== 'DELETE') throw new StorageError('NotImplemented');
      await files.abortMultipart(id);
      uploads.delete(id);
      response.writeHead(204).end();
    },
    /** ListMultipartUploads. */
    list(response: ServerResponse, bucket: string, query: URLSearchParams): void {
      const { encode, element } = keyEncoding(query);
      if (query.has('delimiter')) throw new StorageError('NotImplemented', 'uploads are not listed by delimiter here');
      const most = pageSize(query, 'max-uploads');
      const [prefix, key, id] = ['prefix', 'key-marker', 'upload-id-marker'].map((name) => query.get(name) ?? '');
      const all = [...uploads]
        .filter(([, one]) => one.bucket === bucket && one.name.startsWith(prefix ?? ''))
        .map(([uploadId, { name, begunAt }]) => ({ uploadId, name, begunAt }))
        .toSorted((a, b) => compare(a.name, b.name) || compare(a.uploadId, b.uploadId))
        .filter((one) => (compare(one.name, key ?? '') || compare(one.uploadId, id ?? '')) > 0);
      const page = all.slice(0, most);
      const last = all.length > most ? page.at(-1) : undefined;
      const rows = page.map(
        ({ uploadId, name, begunAt }) =>
          `<Upload><Key>${encode(name)}</Key><UploadId>${uploadId}</UploadId><Initiated>${begunAt.toISOString()}</Initiated></Upload>`,
      );
      const next =
        last === undefined
          ? ''
          : `<NextKeyMarker>${encode(last.name)}</NextKeyMarker><NextUploadIdMarker>${last.uploadId}</NextUploadIdMarker>`;
      const told = `<Bucket>${escapeXml(bucket)}</Bucket>${element}<MaxUploads>${most}</MaxUploads><IsTruncated>${last !== undefined}</IsTruncated>${next}`;
      sendXml(response, 200, `<ListMultipartUploadsResult>${told}${rows.join('')}</ListMultipartUploadsResult>`);
    },
  };
}

const compare = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** S3 API: `x-amz-copy-source-range` is `bytes=FIRST-LAST`, both told, and must lie within the source. */
function copyRange(request: IncomingMessage, size: number): { start: number; end: number } | null {
  const told = request.headers['x-amz-copy-source-range'];
  if (told === undefined) return null;
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(String(told)) ?? [];
  const range = { start: Number(first ?? NaN), end: Number(last ?? NaN) };
  if (!(range.start <= range.end && range.end < size)) throw new StorageError('InvalidRange');
  return range;
}
