import { XMLParser } from 'fast-xml-parser';
import * as v from 'valibot';
import { escapeXml } from '../escape-xml.ts';
import type { R2Upload, R2Uploads } from './r2-uploads.ts';
import { send, type S3Bucket } from './s3-client.ts';

const PAGE = 1000;
const MOST_PARTS = 10_000;
const [NO_SUCH_UPLOAD, NOT_IMPLEMENTED] = [404, 501];
const PART_COPY_ETAG = /<ETag>(?:"|&quot;)([\w-]+)(?:"|&quot;)<\/ETag>/;

const parser = new XMLParser({ parseTagValue: false, htmlEntities: true, isArray: (name) => name === 'Part' });
const completion = v.object({
  CompleteMultipartUpload: v.object({ Part: v.array(v.object({ PartNumber: v.string(), ETag: v.string() })) }),
});

/** An S3 call that went to the simulator. */
export interface S3Call {
  readonly action: string;
  readonly method: string;
  readonly bucket: string;
  readonly key: string;
  readonly query: URLSearchParams;
  /** As the client called it. */
  readonly host: string;
  readonly body: string;
}

export interface S3Answer {
  readonly status: number;
  readonly body: string;
  readonly etag: string | undefined;
}

class InvalidArgument extends Error {}

const PARTS = new Set(['UploadPart', 'UploadPartCopy']);
const MENDED = new Set([...PARTS, 'ListMultipartUploads', 'ListParts', 'CompleteMultipartUpload']);

/** Whether the simulator's answer may have to be mended; all others pass as they come. */
export const mayNeedMending = (action: string): boolean => MENDED.has(action);

/**
 * Multipart uploads as R2 has them, where the simulator has less. It lists neither uploads nor parts; and it names
 * parts at random where R2 names them by their MD5s. Each call goes to the simulator first, so that it is the one
 * judge of signatures and buckets; `mend` makes R2's answer of its own. The names stay its own behind a Worker's
 * binding: a part that went up over S3 cannot be completed there by its MD5.
 *
 * `Initiated` is the time of the first part, and before one is there, that of the first listing.
 */
export function createR2Multipart(uploads: R2Uploads) {
  /** Upload → the first listing that showed it without a part. */
  const firstListed = new Map<string, Date>();

  function begunAt({ id, firstPartAt }: R2Upload): Date {
    const listed = firstListed.get(id) ?? new Date();
    if (firstPartAt === null) firstListed.set(id, listed);
    return firstPartAt === null || listed < firstPartAt ? listed : firstPartAt;
  }

  function listUploads({ bucket, query }: S3Call): string {
    const most = countOf(query, 'max-uploads');
    const [prefix, delimiter] = [query.get('prefix') ?? '', query.get('delimiter') ?? ''];
    const after = { key: query.get('key-marker') ?? '', id: query.get('upload-id-marker') ?? '' };
    const inUrl = query.get('encoding-type') === 'url';
    const text = (plain: string): string => escapeXml(inUrl ? encodeURIComponent(plain).replaceAll('%2F', '/') : plain);
    const rows: { readonly key: string; readonly id: string; readonly xml: string }[] = [];
    let truncated = false;
    for (const upload of uploads.unfinished(bucket, after)) {
      const { key, id } = upload;
      if (!key.startsWith(prefix)) continue;
      const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
      const folder = cut < 0 ? null : key.slice(0, cut + delimiter.length);
      if (folder !== null && (folder === after.key || folder === rows.at(-1)?.key)) continue;
      truncated = rows.length === most;
      if (truncated) break;
      if (folder !== null) {
        rows.push({ key: folder, id: '', xml: `<CommonPrefixes><Prefix>${text(folder)}</Prefix></CommonPrefixes>` });
        continue;
      }
      const initiated = begunAt(upload).toISOString();
      const xml = `<Upload><Key>${text(key)}</Key><UploadId>${id}</UploadId><StorageClass>STANDARD</StorageClass><Initiated>${initiated}</Initiated></Upload>`;
      rows.push({ key, id, xml });
    }
    const last = truncated ? rows.at(-1) : undefined;
    return xmlOf('ListMultipartUploadsResult', [
      ['Bucket', bucket],
      ['KeyMarker', text(after.key)],
      ['UploadIdMarker', escapeXml(after.id)],
      ['NextKeyMarker', last && text(last.key)],
      ['NextUploadIdMarker', last?.id],
      ['Prefix', prefix === '' ? undefined : text(prefix)],
      ['Delimiter', delimiter === '' ? undefined : text(delimiter)],
      ['EncodingType', inUrl ? 'url' : undefined],
      ['MaxUploads', most],
      ['IsTruncated', truncated],
      // Their own elements first, as S3 has them.
      ['', rows.map(({ id, xml }) => (id === '' ? '' : xml)).join('')],
      ['', rows.map(({ id, xml }) => (id === '' ? xml : '')).join('')],
    ]);
  }

  function listParts({ bucket, key, query }: S3Call): string | null {
    const id = query.get('uploadId') ?? '';
    const most = countOf(query, 'max-parts');
    const after = markerOf(query);
    if (!uploads.isUnfinished(bucket, key, id)) return null;
    const found = uploads.parts(bucket, id, after, most + 1);
    const page = found.slice(0, most);
    const truncated = found.length > most;
    return xmlOf('ListPartsResult', [
      ['Bucket', bucket],
      ['Key', escapeXml(key)],
      ['UploadId', id],
      ['StorageClass', 'STANDARD'],
      ['PartNumberMarker', after],
      ['NextPartNumberMarker', truncated ? page.at(-1)?.number : undefined],
      ['MaxParts', most],
      ['IsTruncated', truncated],
      ...page.map(
        ({ number, size, md5, storedAt }) =>
          [
            '',
            `<Part><PartNumber>${number}</PartNumber><LastModified>${storedAt.toISOString()}</LastModified><ETag>&quot;${md5}&quot;</ETag><Size>${size}</Size></Part>`,
          ] as const,
      ),
    ]);
  }

  /** With the part's MD5 for its random name. */
  function named({ bucket, query }: S3Call, answer: S3Answer): S3Answer {
    const name = answer.etag?.replaceAll('"', '') ?? PART_COPY_ETAG.exec(answer.body)?.[1];
    const number = Number(query.get('partNumber'));
    const [part] = uploads.parts(bucket, query.get('uploadId') ?? '', number - 1, 1);
    // Another upload of the same part may have taken its place meanwhile: then the name is of nothing any more.
    if (name === undefined || part?.number !== number || part.name !== name) return answer;
    const etag = answer.etag === undefined ? undefined : `"${part.md5}"`;
    return { ...answer, etag, body: answer.body.replaceAll(name, part.md5) };
  }

  /** Asks for the completion again, of parts by the simulator's names; `null` when there is nothing to rename. */
  async function completed(call: S3Call, simulator: S3Bucket): Promise<S3Answer | null> {
    const { bucket, key, query, host, body } = call;
    const id = query.get('uploadId') ?? '';
    const asked = v.safeParse(completion, parser.parse(body));
    if (!asked.success) return null;
    const there = new Map(uploads.parts(bucket, id, 0, MOST_PARTS).map((part) => [part.number, part]));
    let renamed = 0;
    const rows = asked.output.CompleteMultipartUpload.Part.map(({ PartNumber, ETag }) => {
      const part = there.get(Number(PartNumber));
      const given = ETag.replaceAll('"', '');
      if (part?.md5 === given) renamed++;
      return `<Part><PartNumber>${escapeXml(PartNumber)}</PartNumber><ETag>${escapeXml(part?.md5 === given ? part.name : given)}</ETag></Part>`;
    });
    if (renamed === 0) return null;
    const text = `<CompleteMultipartUpload>${rows.join('')}</CompleteMultipartUpload>`;
    const answer = await send(simulator, 'POST', key, { query: { uploadId: id }, body: text });
    const told = (await answer.body.text()).replaceAll(new URL(simulator.endpoint).origin, `http://${host}`);
    return { status: answer.statusCode, body: told, etag: undefined };
  }

  return {
    /** R2's answer to a call of which the simulator has given its own. `simulator` is the bucket at the simulator. */
    async mend(call: S3Call, answer: S3Answer, simulator: S3Bucket): Promise<S3Answer> {
      const { action, method } = call;
      try {
        if (PARTS.has(action) && answer.status === 200) return named(call, answer);
        if (action === 'CompleteMultipartUpload' && answer.body.includes('<Code>InvalidPart</Code>'))
          return (await completed(call, simulator)) ?? answer;
        if (method !== 'GET' || answer.status !== NOT_IMPLEMENTED) return answer;
        const body = action === 'ListParts' ? listParts(call) : listUploads(call);
        if (body !== null) return { status: 200, body, etag: undefined };
        return failure(NO_SUCH_UPLOAD, 'NoSuchUpload', 'The specified multipart upload does not exist.');
      } catch (error) {
        if (error instanceof InvalidArgument) return failure(400, 'InvalidArgument', error.message);
        return failure(500, 'InternalError', error instanceof Error ? error.message : String(error));
      }
    },
  };
}

/** @throws InvalidArgument unless it is a whole number from 1; above a page it is a page. */
function countOf(query: URLSearchParams, name: string): number {
  const given = query.get(name) ?? String(PAGE);
  if (!/^\d+$/.test(given) || Number(given) === 0) throw new InvalidArgument(`${name} must be a whole number from 1`);
  return Math.min(Number(given), PAGE);
}

function markerOf(query: URLSearchParams): number {
  const given = query.get('part-number-marker') ?? '0';
  if (!/^\d+$/.test(given)) throw new InvalidArgument('part-number-marker must be a whole number from 0');
  return Number(given);
}

/** Elements in order, without those that are not told; one without a name is XML already. */
function xmlOf(root: string, elements: readonly (readonly [string, string | number | boolean | undefined])[]): string {
  const told = elements.map(([name, value]) =>
    value === undefined ? '' : name === '' ? value : `<${name}>${value}</${name}>`,
  );
  return `<?xml version="1.0" encoding="UTF-8"?><${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${told.join('')}</${root}>`;
}

function failure(status: number, code: string, message: string): S3Answer {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${escapeXml(message)}</Message></Error>`;
  return { status, body, etag: undefined };
}
