import type { IncomingMessage, ServerResponse } from 'node:http';
import { XMLParser } from 'fast-xml-parser';
import * as v from 'valibot';
import { sendObject } from './answer.ts';
import { escapeXml as escape } from '../escape-xml.ts';
import type { NewObject, ObjectFiles, StoredObject } from './object-files.ts';
import { verifySignature, type S3Keys } from './s3-signature.ts';
import { createUnfinishedUploads } from './unfinished-uploads.ts';

const PAGE = 1000;
const parser = new XMLParser({ parseTagValue: false, isArray: (name) => name === 'Part' || name === 'Object' });
const completion = v.object({
  CompleteMultipartUpload: v.object({ Part: v.array(v.object({ PartNumber: v.string(), ETag: v.string() })) }),
});
const deletion = v.object({ Delete: v.object({ Object: v.array(v.object({ Key: v.string() })) }) });

function sendXml(response: ServerResponse, status: number, body: string, headers: Record<string, string> = {}): void {
  const text = `<?xml version="1.0" encoding="UTF-8"?>${body}`;
  response.writeHead(status, {
    'content-type': 'application/xml',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

function sendError(response: ServerResponse, status: number, code: string, message: string): void {
  // The real server may answer without having read the body, and a connection reused after that hangs.
  sendXml(
    response,
    status,
    `<Error><Code>${code}</Code><Message>${escape(message)}</Message></Error>`,
    status >= 400 ? { connection: 'close' } : {},
  );
}

async function bodyText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

function newObject(request: IncomingMessage): NewObject {
  const userMetadata = Object.entries(request.headers).flatMap(([name, value]) =>
    name.startsWith('x-amz-meta-') ? [[name.slice('x-amz-meta-'.length), String(value)] as const] : [],
  );
  // As measured: Content-Disposition is dropped; a wrong Content-MD5 or checksum is not noticed.
  return {
    mimetype: request.headers['content-type'] ?? null,
    cacheControl: request.headers['cache-control'] ?? null,
    userMetadata: Object.fromEntries(userMetadata),
  };
}

/** Answers for an object that is not there; `false`, with nothing said, when it cannot. */
type AnswerMissing = (
  bucket: string,
  name: string,
  request: IncomingMessage,
  response: ServerResponse,
) => Promise<boolean>;

/** Supabase Storage's S3 protocol, path style, below `/storage/v1/s3`. Its keys pass every policy. */
export function createS3Api(files: ObjectFiles, keys: S3Keys, answerMissing: AnswerMissing = async () => false) {
  const unfinished = createUnfinishedUploads();

  async function listObjects(response: ServerResponse, bucket: string, query: URLSearchParams): Promise<void> {
    const prefix = query.get('prefix') ?? '';
    const delimiter = query.get('delimiter') ?? '';
    const most = Math.min(Number(query.get('max-keys') ?? PAGE), PAGE);
    const token = query.get('continuation-token');
    let after = token === null ? (query.get('start-after') ?? '') : Buffer.from(token, 'base64').toString();
    const encode =
      query.get('encoding-type') === 'url' ? (text: string) => encodeURIComponent(text).replaceAll('%2F', '/') : escape;
    const contents: StoredObject[] = [];
    const folders = new Set<string>();
    let truncated = false;
    for (let more = true; more && !truncated;) {
      const page = await files.list(bucket, { prefix, after, limit: most + 1 });
      more = page.length > most;
      for (const object of page) {
        if (contents.length + folders.size >= most) {
          truncated = true;
          break;
        }
        const rest = object.name.slice(prefix.length);
        const cut = delimiter === '' ? -1 : rest.indexOf(delimiter);
        if (cut >= 0) folders.add(prefix + rest.slice(0, cut + delimiter.length));
        else contents.push(object);
        after = object.name;
      }
    }
    const next = truncated ? Buffer.from(after).toString('base64') : null;
    sendXml(
      response,
      200,
      `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>${escape(bucket)}</Name><Prefix>${encode(prefix)}</Prefix><KeyCount>${contents.length + folders.size}</KeyCount><MaxKeys>${most}</MaxKeys><IsTruncated>${truncated}</IsTruncated>${
        next === null ? '' : `<NextContinuationToken>${next}</NextContinuationToken>`
      }${contents
        .map(
          (one) =>
            `<Contents><Key>${encode(one.name)}</Key><LastModified>${one.updatedAt.toISOString()}</LastModified><ETag>&quot;${one.etag}&quot;</ETag><Size>${one.size}</Size><StorageClass>STANDARD</StorageClass></Contents>`,
        )
        .join(
          '',
        )}${[...folders].map((folder) => `<CommonPrefixes><Prefix>${encode(folder)}</Prefix></CommonPrefixes>`).join('')}</ListBucketResult>`,
    );
  }

  async function onBucket(
    request: IncomingMessage,
    response: ServerResponse,
    bucket: string,
    query: URLSearchParams,
  ): Promise<void> {
    const exists = (await files.bucket(bucket)) !== null;
    // As measured, `PUT ?versioning`, `?lifecycle` and `?cors` are routed here too.
    if (request.method === 'PUT') {
      if (exists) return sendError(response, 409, 'BucketAlreadyExists', 'The resource already exists');
      await files.createBucket(bucket, false);
      return sendXml(response, 200, '', { location: `/${bucket}` });
    }
    if (!exists) return sendError(response, 404, 'NoSuchBucket', 'The specified bucket does not exist');
    if (request.method === 'HEAD') return void response.writeHead(200).end();
    if (request.method === 'GET' && query.has('uploads'))
      return sendXml(response, 200, unfinished.list(bucket, query.get('prefix') ?? ''));
    if (request.method === 'GET') return listObjects(response, bucket, query);
    if (request.method === 'POST' && query.has('delete')) {
      const parsed = v.safeParse(deletion, parser.parse(await bodyText(request)));
      if (!parsed.success) return sendError(response, 400, 'MalformedXML', 'The XML you provided was not well-formed');
      const names = parsed.output.Delete.Object.map((one) => one.Key);
      await files.remove(bucket, names);
      return sendXml(
        response,
        200,
        `<DeleteResult>${names.map((name) => `<Deleted><Key>${escape(name)}</Key></Deleted>`).join('')}</DeleteResult>`,
      );
    }
    return sendError(
      response,
      501,
      'NotImplemented',
      'A header or query you provided implies functionality that is not implemented',
    );
  }

  async function onMultipart(
    request: IncomingMessage,
    response: ServerResponse,
    bucket: string,
    name: string,
    query: URLSearchParams,
  ): Promise<void> {
    if (request.method === 'POST' && query.has('uploads')) {
      const id = await files.beginMultipart(newObject(request));
      unfinished.begin(id, bucket, name);
      return sendXml(
        response,
        200,
        `<InitiateMultipartUploadResult><Bucket>${escape(bucket)}</Bucket><Key>${escape(name)}</Key><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
      );
    }
    const id = query.get('uploadId') ?? '';
    if (!files.hasMultipart(id))
      return sendError(response, 404, 'NoSuchUpload', 'The specified multipart upload does not exist');
    if (request.method === 'GET')
      return sendXml(response, 200, unfinished.parts(id, Number(query.get('part-number-marker') ?? 0)));
    if (request.method === 'PUT') {
      const etag = await files.writePart(id, Number(query.get('partNumber')), request);
      unfinished.part(id, Number(query.get('partNumber')), etag, Number(request.headers['content-length']));
      return void response.writeHead(200, { etag: `"${etag}"` }).end();
    }
    if (request.method === 'DELETE') {
      await files.abortMultipart(id);
      unfinished.end(id);
      return void response.writeHead(204).end();
    }
    const parsed = v.safeParse(completion, parser.parse(await bodyText(request)));
    if (!parsed.success) return sendError(response, 400, 'MalformedXML', 'The XML you provided was not well-formed');
    const parts = parsed.output.CompleteMultipartUpload.Part.map((part) => ({
      part: Number(part.PartNumber),
      etag: part.ETag.replaceAll('&quot;', '').replaceAll('"', ''),
    }));
    const stored = await files.completeMultipart(bucket, name, id, parts);
    if (stored === null)
      return sendError(response, 400, 'InvalidPart', 'One or more of the specified parts could not be found');
    unfinished.end(id);
    return sendXml(
      response,
      200,
      `<CompleteMultipartUploadResult><Bucket>${escape(bucket)}</Bucket><Key>${escape(name)}</Key><ETag>&quot;${stored.etag}&quot;</ETag></CompleteMultipartUploadResult>`,
    );
  }

  async function copy(request: IncomingMessage, response: ServerResponse, bucket: string, name: string): Promise<void> {
    const { 'x-amz-copy-source': path, 'x-amz-copy-source-if-match': etag } = request.headers;
    const [from = '', ...key] = decodeURIComponent(String(path)).replace(/^\//, '').split('/');
    const source = (await files.bucket(from)) === null ? null : await files.find(from, key.join('/'));
    if (source === null) return sendError(response, 404, 'NoSuchKey', 'The specified key does not exist');
    if (etag !== undefined && etag !== `"${source.etag}"`)
      return sendError(response, 412, 'PreconditionFailed', 'At least one of the preconditions did not hold');
    const meta = request.headers['x-amz-metadata-directive'] === 'REPLACE' ? newObject(request) : source;
    const stored = await files.write(bucket, name, files.read(source, null), source.size, meta, true);
    sendXml(
      response,
      200,
      `<CopyObjectResult><ETag>&quot;${stored.etag}&quot;</ETag><LastModified>${stored.updatedAt.toISOString()}</LastModified></CopyObjectResult>`,
    );
  }

  async function onObject(
    request: IncomingMessage,
    response: ServerResponse,
    bucket: string,
    name: string,
  ): Promise<void> {
    if (request.method === 'PUT' && request.headers['x-amz-copy-source'] !== undefined)
      return copy(request, response, bucket, name);
    if (request.method === 'PUT') {
      const length = request.headers['content-length'];
      if (length === undefined)
        return sendError(response, 411, 'MissingContentLength', 'You must provide the Content-Length HTTP header');
      const stored = await files.write(bucket, name, request, Number(length), newObject(request), true);
      return void response.writeHead(200, { etag: `"${stored.etag}"` }).end();
    }
    if (request.method === 'DELETE') {
      await files.remove(bucket, [name]);
      return void response.writeHead(204).end();
    }
    const object = await files.find(bucket, name);
    if (object === null && (await answerMissing(bucket, name, request, response))) return;
    if (object === null)
      return request.method === 'HEAD'
        ? void response.writeHead(404).end()
        : sendError(response, 404, 'NoSuchKey', 'The specified key does not exist');
    return sendObject(request, response, files, object, () =>
      sendError(response, 416, 'InvalidRange', 'The requested range is not satisfiable'),
    );
  }

  return async (request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> => {
    const rawPath = (request.url ?? '').split('?')[0] ?? '';
    const verdict = verifySignature(request, rawPath, url.searchParams, keys);
    if (verdict !== 'ok') return sendError(response, 403, verdict, 'The request could not be authenticated');
    const [bucket = '', ...rest] = url.pathname
      .slice('/storage/v1/s3'.length)
      .split('/')
      .slice(1)
      .map(decodeURIComponent);
    const name = rest.join('/');
    if (bucket === '') {
      const buckets = (await files.listBuckets()).map(
        (one) =>
          `<Bucket><Name>${escape(one.id)}</Name><CreationDate>${one.createdAt.toISOString()}</CreationDate></Bucket>`,
      );
      return sendXml(
        response,
        200,
        `<ListAllMyBucketsResult><Buckets>${buckets.join('')}</Buckets></ListAllMyBucketsResult>`,
      );
    }
    if (name === '') return onBucket(request, response, bucket, url.searchParams);
    if ((await files.bucket(bucket)) === null)
      return sendError(response, 404, 'NoSuchBucket', 'The specified bucket does not exist');
    if (url.searchParams.has('uploads') || url.searchParams.has('uploadId'))
      return onMultipart(request, response, bucket, name, url.searchParams);
    return onObject(request, response, bucket, name);
  };
}
