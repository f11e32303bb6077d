import type { IncomingMessage, ServerResponse } from 'node:http';
import { XMLParser } from 'fast-xml-parser';
import * as v from 'valibot';
import { escapeXml as escape } from '../escape-xml.ts';
import { sendObject } from './answer.ts';
import { bodyOf, type S3Body } from './chunked-body.ts';
import type { Bucket, ObjectFiles, StoredObject } from './object-store.ts';
import { bodyText, refuseS3, sendXml } from './s3-answer.ts';
import { listObjects } from './s3-lists.ts';
import { createMultipart } from './s3-multipart.ts';
import { HOSTED, newObject, type S3Rules } from './s3-rules.ts';
import { verifySignature, type S3Keys } from './s3-signature.ts';
import { StorageError } from './storage-error.ts';
import { fileSizeLimit, mustBeAllowedType, mustBeValidBucketName, mustBeValidKey } from './storage-rules.ts';

const parser = new XMLParser({ parseTagValue: false, isArray: (name) => name === 'Object' });
const deletion = v.object({ Delete: v.object({ Object: v.array(v.object({ Key: v.string() })) }) });

/**
 * Subresources that are told apart by the query alone. What answers one of them must never fall through to the
 * object or bucket itself: a PutObjectTagging would overwrite it, a DeleteObjectTagging delete it.
 */
const SUBRESOURCES = new Set(
  (
    'accelerate acl analytics attributes cors encryption intelligent-tiering inventory legal-hold lifecycle location ' +
    'logging metrics notification object-lock ownershipControls policy policyStatus publicAccessBlock replication ' +
    'requestPayment restore retention select tagging torrent versioning versions website'
  ).split(' '),
);

/** Answers for an object that is not there; `false`, with nothing said, when it cannot. */
type AnswerMissing = (
  bucket: string,
  name: string,
  request: IncomingMessage,
  response: ServerResponse,
) => Promise<boolean>;

interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  readonly body: S3Body;
}

/** Supabase Storage's S3 protocol, path style, below `/storage/v1/s3`. Its keys pass every policy. */
export function createS3Api(
  files: ObjectFiles,
  keys: S3Keys,
  answerMissing: AnswerMissing = async () => false,
  rules: S3Rules = HOSTED,
) {
  const multipart = createMultipart(files, rules);
  const check = (name: string): void => {
    if (rules.fewCharacters) mustBeValidKey(name);
  };

  async function listBuckets(response: ServerResponse): Promise<void> {
    const rows = (await files.listBuckets()).map(
      (one) =>
        `<Bucket><Name>${escape(one.id)}</Name><CreationDate>${one.createdAt.toISOString()}</CreationDate></Bucket>`,
    );
    sendXml(response, 200, `<ListAllMyBucketsResult><Buckets>${rows.join('')}</Buckets></ListAllMyBucketsResult>`);
  }

  async function mustExist(bucket: string): Promise<Bucket> {
    const found = await files.bucket(bucket);
    if (found === null) throw new StorageError('NoSuchBucket', 'The specified bucket does not exist');
    return found;
  }

  async function onBucket({ request, response, query, body }: Asked, bucket: string): Promise<void> {
    const { method } = request;
    // As measured, `PUT ?versioning`, `?lifecycle` and `?cors` are routed here too.
    if (method === 'PUT') {
      mustBeValidBucketName(bucket);
      if (!(await files.createBucket(bucket))) throw new StorageError('BucketAlreadyExists');
      return sendXml(response, 200, '', { location: `/${bucket}` });
    }
    await mustExist(bucket);
    if (method === 'GET' && query.has('location'))
      return sendXml(response, 200, `<LocationConstraint>${keys.region}</LocationConstraint>`);
    if (method === 'GET' && query.has('versioning'))
      return sendXml(response, 200, '<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>');
    refuseSubresource(query);
    if (method === 'HEAD') return void response.writeHead(200).end();
    if (method === 'GET' && query.has('uploads')) return multipart.list(response, bucket, query);
    if (method === 'GET') return listObjects(files, response, bucket, query);
    if (method === 'DELETE') {
      if (!(await files.deleteBucket(bucket))) throw new StorageError('ResourceNotEmpty');
      return void response.writeHead(204).end();
    }
    if (method !== 'POST' || !query.has('delete')) throw new StorageError('NotImplemented');
    const parsed = v.safeParse(deletion, parser.parse(await bodyText(body.bytes)));
    if (!parsed.success) throw new StorageError('MalformedXML');
    const names = parsed.output.Delete.Object.map((one) => one.Key);
    await files.remove(bucket, names);
    const rows = names.map((name) => `<Deleted><Key>${escape(name)}</Key></Deleted>`);
    sendXml(response, 200, `<DeleteResult>${rows.join('')}</DeleteResult>`);
  }

  /** What `x-amz-copy-source` names. Supabase takes it as it is, encoded or not: S3 API says it is URL-encoded. */
  async function copySource(request: IncomingMessage): Promise<StoredObject> {
    const told = String(request.headers['x-amz-copy-source']).replace(/^\//, '');
    const [bucket = '', ...key] = (rules.rawCopySource ? told : decodeURIComponent(told)).split('/');
    const source = (await files.bucket(bucket)) === null ? null : await files.find(bucket, key.join('/'));
    if (source === null) throw new StorageError('NoSuchKey', 'The specified key does not exist');
    return source;
  }

  async function copy({ request, response }: Asked, bucket: Bucket, name: string): Promise<void> {
    const source = await copySource(request);
    const etag = request.headers['x-amz-copy-source-if-match'];
    if (etag !== undefined && etag !== `"${source.etag}"`) throw new StorageError('PreconditionFailed');
    const meta =
      request.headers['x-amz-metadata-directive'] === 'REPLACE' ? newObject(request) : { ...source, owner: null };
    const { mimetype, cacheControl, userMetadata } = meta;
    const described = { mimetype, cacheControl, userMetadata, owner: null };
    const stored = await files.write(bucket.id, name, files.read(source, null), source.size, described, true);
    const told = `<ETag>&quot;${stored.etag}&quot;</ETag><LastModified>${stored.updatedAt.toISOString()}</LastModified>`;
    sendXml(response, 200, `<CopyObjectResult>${told}</CopyObjectResult>`);
  }

  async function put(asked: Asked, bucket: Bucket, name: string): Promise<void> {
    const { request, response, body } = asked;
    if (request.headers['x-amz-copy-source'] !== undefined) return copy(asked, bucket, name);
    const meta = newObject(request);
    mustBeAllowedType(bucket, meta.mimetype ?? 'application/octet-stream');
    const most = fileSizeLimit(bucket, rules.projectLimit);
    if ((body.size ?? 0) > most) throw new StorageError('EntityTooLarge');
    const stored = await files.write(bucket.id, name, body.bytes, body.size, meta, true, most);
    response.writeHead(200, { etag: `"${stored.etag}"` }).end();
  }

  async function read({ request, response }: Asked, bucket: string, name: string): Promise<void> {
    check(name);
    const object = (await files.bucket(bucket)) === null ? null : await files.find(bucket, name);
    if (object === null && (await answerMissing(bucket, name, request, response))) return;
    // As measured: of a missing bucket no object is there either.
    if (object === null) throw new StorageError('NoSuchKey', 'The specified key does not exist');
    await sendObject(request, response, files, object, {
      metadata: true,
      beyond: () => refuseS3(request, response, new StorageError('InvalidRange')),
    });
  }

  async function onObject(asked: Asked, bucketId: string, name: string): Promise<void> {
    const { request, response, query, body } = asked;
    const { method } = request;
    if (method === 'GET' && query.has('tagging')) {
      if ((await files.find(bucketId, name)) === null) throw new StorageError('NoSuchKey');
      return sendXml(response, 200, '<Tagging><TagSet/></Tagging>');
    }
    refuseSubresource(query);
    if (query.has('uploads') || query.has('uploadId')) {
      check(name);
      const bucket = await mustExist(bucketId);
      return multipart.handle({
        request,
        response,
        query,
        name,
        bucket,
        body,
        copySource: () => copySource(request),
      });
    }
    if (method === 'GET' || method === 'HEAD') return read(asked, bucketId, name);
    const bucket = await mustExist(bucketId);
    if (method === 'DELETE') {
      await files.remove(bucketId, [name]);
      return void response.writeHead(204).end();
    }
    if (method !== 'PUT') throw new StorageError('NotImplemented');
    check(name);
    return put(asked, bucket, name);
  }

  return async (request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> => {
    try {
      const rawPath = (request.url ?? '').split('?')[0] ?? '';
      const signed = verifySignature(request, rawPath, url.searchParams, keys, rules.signsVerbatim);
      const [bucket = '', ...rest] = url.pathname
        .slice('/storage/v1/s3'.length)
        .split('/')
        .slice(1)
        .map(decodeURIComponent);
      const asked = { request, response, query: url.searchParams, body: bodyOf(request, signed) };
      const name = rest.join('/');
      if (bucket === '') await listBuckets(response);
      else if (name === '') await onBucket(asked, bucket);
      else await onObject(asked, bucket, name);
    } catch (error) {
      if (!(error instanceof StorageError) || response.headersSent) throw error;
      refuseS3(request, response, error);
    }
  };
}

function refuseSubresource(query: URLSearchParams): void {
  for (const name of query.keys())
    if (SUBRESOURCES.has(name)) throw new StorageError('NotImplemented', `the server has no ?${name}`);
}
