import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { XMLParser } from 'fast-xml-parser';
import { Agent, request, type Dispatcher } from 'undici';
import * as v from 'valibot';
import { ProviderError } from '../provider-error.ts';
import type { ObjectHead, ObjectMeta, ObjectStore } from '../providers.ts';
import { retrying } from '../retry.ts';
import { inParts } from './parts.ts';
import { encodeKey, queryString, signRequest } from './sigv4.ts';

export interface ObjectStoreOptions {
  readonly label: string;
  /** May have a path, as Supabase's `/storage/v1/s3` has. */
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly bucket: string;
  readonly partSizeBytes: number;
  readonly connections: number;
}

const PAGE = 1000;
/** Parts of one object on their way at once; each is held in memory whole. */
const PARTS_AT_ONCE = 2;

const xml = new XMLParser({ ignoreAttributes: true, parseTagValue: false, isArray: (name) => name === 'Contents' });
const listing = v.object({
  ListBucketResult: v.object({
    IsTruncated: v.optional(v.string(), 'false'),
    NextContinuationToken: v.optional(v.string()),
    Contents: v.optional(
      v.array(v.object({ Key: v.string(), Size: v.string(), ETag: v.string(), LastModified: v.string() })),
      [],
    ),
  }),
});
const created = v.object({ InitiateMultipartUploadResult: v.object({ UploadId: v.string() }) });
const completed = v.object({ CompleteMultipartUploadResult: v.object({ ETag: v.string() }) });
const failure = v.object({ Error: v.object({ Code: v.string(), Message: v.optional(v.string(), '') }) });

const unquote = (etag: string): string => etag.replaceAll('&quot;', '"').replaceAll('"', '');
const text = (value: string | string[] | undefined): string | null =>
  value === undefined ? null : Array.isArray(value) ? (value[0] ?? null) : value;

function metaHeaders(meta: ObjectMeta): Record<string, string> {
  const headers: Record<string, string> = {};
  if (meta.contentType !== null) headers['content-type'] = meta.contentType;
  if (meta.cacheControl !== null) headers['cache-control'] = meta.cacheControl;
  for (const [name, value] of Object.entries(meta.custom)) headers[`x-amz-meta-${name.toLowerCase()}`] = value;
  return headers;
}

function readMeta(headers: Dispatcher.ResponseData['headers']): ObjectMeta {
  const custom = Object.entries(headers).flatMap(([name, value]) =>
    name.startsWith('x-amz-meta-') ? [[name.slice('x-amz-meta-'.length), text(value) ?? ''] as const] : [],
  );
  return {
    contentType: text(headers['content-type']),
    cacheControl: text(headers['cache-control']),
    custom: Object.fromEntries(custom),
  };
}

function readHead(key: string, headers: Dispatcher.ResponseData['headers'], size: number): ObjectHead {
  const modified = text(headers['last-modified']);
  return {
    key,
    size,
    etag: unquote(text(headers['etag']) ?? ''),
    lastModified: modified === null ? '' : new Date(modified).toISOString(),
  };
}

/** One bucket behind S3's protocol: Supabase Storage's as well as R2's. Methods throw `ProviderError`. */
export function createObjectStore(options: ObjectStoreOptions): ObjectStore & { close(): Promise<void> } {
  const endpoint = new URL(options.endpoint);
  const root = `${endpoint.pathname.replace(/\/$/, '')}/${options.bucket}`;
  const agent = new Agent({
    connections: options.connections,
    pipelining: 1,
    bodyTimeout: 60_000,
    headersTimeout: 60_000,
  });

  async function send(
    method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE',
    key: string,
    details: {
      query?: Record<string, string>;
      headers?: Record<string, string>;
      body?: Readable | Uint8Array | string;
    } = {},
  ): Promise<Dispatcher.ResponseData> {
    const path = key === '' ? root : `${root}/${encodeKey(key)}`;
    const query = details.query ?? {};
    const headers = signRequest(options, { method, path, query, headers: { host: endpoint.host, ...details.headers } });
    const search = queryString(query);
    const operation = `${method} ${options.bucket}/${key}`;
    let response: Dispatcher.ResponseData;
    try {
      response = await request(`${endpoint.origin}${path}${search === '' ? '' : `?${search}`}`, {
        method,
        headers,
        body: details.body ?? null,
        dispatcher: agent,
      });
    } catch (error) {
      throw new ProviderError(options.label, operation, {
        status: null,
        message: error instanceof Error ? error.message : 'no answer',
      });
    }
    if (response.statusCode < 400) return response;
    const parsed = v.safeParse(failure, method === 'HEAD' ? null : xml.parse(await response.body.text()));
    if (method === 'HEAD') await response.body.dump();
    const { Code: code, Message: message } = parsed.success
      ? parsed.output.Error
      : { Code: null, Message: 'no reason given' };
    throw new ProviderError(options.label, operation, { status: response.statusCode, code, message });
  }

  async function readXml<Schema extends v.GenericSchema>(
    schema: Schema,
    response: Dispatcher.ResponseData,
    operation: string,
  ): Promise<v.InferOutput<Schema>> {
    const parsed = v.safeParse(schema, xml.parse(await response.body.text()));
    if (!parsed.success)
      throw new ProviderError(options.label, operation, {
        status: 502,
        code: 'malformed',
        message: 'an answer of an unknown shape',
      });
    return parsed.output;
  }

  const orNull = async <Answer>(asked: Promise<Answer>): Promise<Answer | null> => {
    try {
      return await asked;
    } catch (error) {
      if (error instanceof ProviderError && error.status === 404) return null;
      throw error;
    }
  };

  async function putWhole(
    key: string,
    body: Readable | Uint8Array,
    size: number,
    meta: ObjectMeta,
  ): Promise<{ etag: string }> {
    const headers: Record<string, string> = { ...metaHeaders(meta), 'content-length': String(size) };
    if (body instanceof Uint8Array) headers['content-md5'] = createHash('md5').update(body).digest('base64');
    const response = await send('PUT', key, { headers, body });
    await response.body.dump();
    return { etag: unquote(text(response.headers['etag']) ?? '') };
  }

  async function putInParts(key: string, body: Readable | Uint8Array, meta: ObjectMeta): Promise<{ etag: string }> {
    const begun = await readXml(
      created,
      await send('POST', key, { query: { uploads: '' }, headers: metaHeaders(meta) }),
      'CreateMultipartUpload',
    );
    const { UploadId: uploadId } = begun.InitiateMultipartUploadResult;
    const etags: string[] = [];
    const onTheWay = new Set<Promise<void>>();
    try {
      let partNumber = 0;
      for await (const part of inParts(body, options.partSizeBytes)) {
        const number = ++partNumber;
        const upload = retrying(async () => {
          const headers = {
            'content-length': String(part.byteLength),
            'content-md5': createHash('md5').update(part).digest('base64'),
          };
          const response = await send('PUT', key, {
            query: { partNumber: String(number), uploadId },
            headers,
            body: part,
          });
          await response.body.dump();
          etags[number - 1] = text(response.headers['etag']) ?? '';
        }).finally(() => onTheWay.delete(upload));
        onTheWay.add(upload);
        if (onTheWay.size >= PARTS_AT_ONCE) await Promise.race(onTheWay);
      }
      await Promise.all(onTheWay);
      const parts = etags
        .map((etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`)
        .join('');
      const response = await send('POST', key, {
        query: { uploadId },
        headers: { 'content-type': 'application/xml' },
        body: `<CompleteMultipartUpload>${parts}</CompleteMultipartUpload>`,
      });
      const { CompleteMultipartUploadResult: result } = await readXml(completed, response, 'CompleteMultipartUpload');
      return { etag: unquote(result.ETag) };
    } catch (error) {
      await Promise.allSettled(onTheWay);
      // The parts cost money until they are aborted; the lifecycle rule is the second net.
      await orNull(send('DELETE', key, { query: { uploadId } })).catch(() => null);
      throw error;
    }
  }

  return {
    label: options.label,
    async *list(prefix = '') {
      let token: string | undefined;
      do {
        const query: Record<string, string> = { 'list-type': '2', 'max-keys': String(PAGE), 'encoding-type': 'url' };
        if (prefix !== '') query['prefix'] = prefix;
        if (token !== undefined) query['continuation-token'] = token;
        const page = await retrying(async () => readXml(listing, await send('GET', '', { query }), 'ListObjectsV2'));
        const { Contents: contents, IsTruncated: truncated, NextContinuationToken: next } = page.ListBucketResult;
        for (const { Key, Size, ETag, LastModified } of contents) {
          yield {
            key: decodeURIComponent(Key.replaceAll('+', ' ')),
            size: Number(Size),
            etag: unquote(ETag),
            lastModified: LastModified,
          };
        }
        if (truncated === 'true' && (next === undefined || next === token)) {
          throw new ProviderError(options.label, 'ListObjectsV2', {
            status: 502,
            code: 'malformed',
            message: 'the listing says that there is more and does not say where',
          });
        }
        token = truncated === 'true' ? next : undefined;
      } while (token !== undefined);
    },
    async head(key) {
      const response = await retrying(() => orNull(send('HEAD', key)));
      if (response === null) return null;
      await response.body.dump();
      return {
        ...readHead(key, response.headers, Number(text(response.headers['content-length']) ?? 0)),
        meta: readMeta(response.headers),
      };
    },
    async get(key, range) {
      const headers: Record<string, string> = range === undefined ? {} : { range: `bytes=${range.start}-${range.end}` };
      const response = await retrying(() => orNull(send('GET', key, { headers })));
      if (response === null) return null;
      return {
        ...readHead(key, response.headers, Number(text(response.headers['content-length']) ?? 0)),
        meta: readMeta(response.headers),
        body: response.body,
      };
    },
    put: (key, body, size, meta) =>
      size > options.partSizeBytes ? putInParts(key, body, meta) : putWhole(key, body, size, meta),
    async delete(key) {
      const response = await retrying(() => orNull(send('DELETE', key)));
      await response?.body.dump();
    },
    close: () => agent.close(),
  };
}
