import type { IncomingMessage, ServerResponse } from 'node:http';
import * as v from 'valibot';
import { readJson, sendJson, sendObject } from './answer.ts';
import { ObjectExists, type Bucket, type ObjectFiles, type StoredObject } from './object-files.ts';
import type { Caller, Tokens } from './tokens.ts';

/** The keys that the real server takes; it refuses all others. */
const KEY = /^[A-Za-z0-9_/!.*'() &$=@;:+,?-]+$/;
const MOST_DELETED = 1000;

/** Storage answers HTTP 400 for nearly everything; the real status stands in the body. */
const FAILURES = {
  NoSuchBucket: ['404', 'Bucket not found', 'Bucket not found'],
  NoSuchKey: ['404', 'not_found', 'Object not found'],
  InvalidKey: ['400', 'InvalidKey', 'Invalid key'],
  InvalidJWT: ['403', 'Unauthorized', 'jwt malformed'],
  AccessDenied: ['403', 'Unauthorized', 'new row violates row-level security policy'],
  KeyAlreadyExists: ['409', 'Duplicate', 'The resource already exists'],
  ResourceAlreadyExists: ['409', 'Duplicate', 'The resource already exists'],
  ResourceNotEmpty: ['409', 'InvalidRequest', 'The bucket you tried to delete is not empty'],
  InvalidRange: ['416', 'InvalidRange', 'The requested range is not satisfiable'],
  InvalidRequest: ['400', 'InvalidRequest', 'The request is not valid'],
  NoSuchRoute: ['404', 'Not Found', 'Route not found'],
} as const;
export type StorageFailure = keyof typeof FAILURES;

export function refuse(response: ServerResponse, code: StorageFailure): void {
  const [statusCode, error, message] = FAILURES[code];
  sendJson(response, 400, { statusCode, error, message, code });
}

const listV1 = v.object({
  prefix: v.optional(v.string(), ''),
  limit: v.optional(v.number(), 100),
  offset: v.optional(v.number(), 0),
});
const listV2 = v.object({
  prefix: v.optional(v.string(), ''),
  limit: v.optional(v.number(), 1000),
  cursor: v.optional(v.string()),
  with_delimiter: v.optional(v.boolean(), false),
});
const removal = v.object({ prefixes: v.array(v.string()) });
const bucketBody = v.object({
  id: v.optional(v.string()),
  name: v.optional(v.string()),
  public: v.optional(v.boolean(), false),
});

function may(caller: Caller, action: 'read' | 'write', bucket: Bucket, name: string): boolean {
  if (caller.role === 'service_role') return true;
  const own = caller.sub !== null && name.startsWith(`users/${caller.sub}/`);
  return action === 'read' ? own || (caller.role === 'authenticated' && bucket.public) : own;
}

const metadata = (object: StoredObject) => ({
  name: object.name,
  id: object.version,
  updated_at: object.updatedAt.toISOString(),
  created_at: object.createdAt.toISOString(),
  last_accessed_at: object.updatedAt.toISOString(),
  metadata: {
    eTag: `"${object.etag}"`,
    size: object.size,
    mimetype: object.mimetype,
    cacheControl: object.cacheControl,
    lastModified: object.updatedAt.toISOString(),
    contentLength: object.size,
    httpStatusCode: 200,
  },
});
const bucketJson = (bucket: Bucket) => ({
  id: bucket.id,
  name: bucket.id,
  owner: '',
  public: bucket.public,
  type: 'STANDARD',
  file_size_limit: null,
  allowed_mime_types: null,
  created_at: bucket.createdAt.toISOString(),
  updated_at: bucket.updatedAt.toISOString(),
});

/** Supabase Storage's REST API, below `/storage/v1`. */
export function createStorageApi(files: ObjectFiles, tokens: Tokens) {
  async function send(request: IncomingMessage, response: ServerResponse, bucket: string, name: string): Promise<void> {
    const object = await files.find(bucket, name);
    if (object === null) return refuse(response, 'NoSuchKey');
    await sendObject(request, response, files, object, () => refuse(response, 'InvalidRange'));
  }

  async function upload(
    request: IncomingMessage,
    response: ServerResponse,
    bucket: string,
    name: string,
  ): Promise<void> {
    const upsert = request.method === 'PUT' || request.headers['x-upsert'] === 'true';
    const type = request.headers['content-type'] ?? 'application/octet-stream';
    let body: AsyncIterable<Buffer> = request;
    let mimetype: string | null = type;
    let cacheControl = request.headers['cache-control'] ?? null;
    let size: number | null =
      request.headers['content-length'] === undefined ? null : Number(request.headers['content-length']);
    if (type.startsWith('multipart/form-data')) {
      // Browsers' uploads: small files of one form, which the platform's own parser takes apart.
      const form = await new Response(await collect(request), { headers: { 'content-type': type } }).formData();
      const file = [...form.values()].find((value) => typeof value !== 'string');
      if (file === undefined) return refuse(response, 'InvalidRequest');
      const bytes = Buffer.from(await file.arrayBuffer());
      body = (async function* () {
        yield bytes;
      })();
      size = bytes.byteLength;
      mimetype = file.type === '' ? null : file.type;
      const given = form.get('cacheControl');
      cacheControl = typeof given === 'string' ? given : null;
    }
    const meta = {
      mimetype,
      cacheControl:
        cacheControl === null ? 'no-cache' : /^\d+$/.test(cacheControl) ? `max-age=${cacheControl}` : cacheControl,
      userMetadata: {},
    };
    try {
      const stored = await files.write(bucket, name, body, size, meta, upsert);
      sendJson(response, 200, { Key: `${bucket}/${name}`, Id: stored.version }, { etag: `"${stored.etag}"` });
    } catch (error) {
      if (error instanceof ObjectExists) return refuse(response, 'KeyAlreadyExists');
      throw error;
    }
  }

  async function buckets(
    request: IncomingMessage,
    response: ServerResponse,
    id: string,
    caller: Caller,
  ): Promise<void> {
    if (caller.role !== 'service_role') return refuse(response, 'AccessDenied');
    if (id === '') {
      if (request.method === 'GET') return sendJson(response, 200, (await files.listBuckets()).map(bucketJson));
      const body = v.safeParse(bucketBody, await readJson(request));
      const name = body.success ? (body.output.id ?? body.output.name) : undefined;
      if (!body.success || name === undefined) return refuse(response, 'InvalidRequest');
      return (await files.createBucket(name, body.output.public))
        ? sendJson(response, 200, { name })
        : refuse(response, 'ResourceAlreadyExists');
    }
    const bucket = await files.bucket(id.replace(/\/empty$/, ''));
    if (bucket === null) return refuse(response, 'NoSuchBucket');
    if (request.method === 'GET') return sendJson(response, 200, bucketJson(bucket));
    if (request.method === 'PUT') {
      const body = v.safeParse(v.object({ public: v.boolean() }), await readJson(request));
      if (!body.success) return refuse(response, 'InvalidRequest');
      await files.updateBucket(bucket.id, body.output.public);
      return sendJson(response, 200, { message: 'Successfully updated' });
    }
    if (request.method === 'POST' && id.endsWith('/empty')) {
      // The real one queues this and answers at once.
      const all = await files.list(bucket.id, { prefix: '', after: '', limit: 200_000 });
      await files.remove(
        bucket.id,
        all.map((object) => object.name),
      );
      return sendJson(response, 200, { message: 'Empty bucket has been queued. Completion may take up to an hour.' });
    }
    if (request.method === 'DELETE') {
      return (await files.deleteBucket(bucket.id))
        ? sendJson(response, 200, { message: 'Successfully deleted' })
        : refuse(response, 'ResourceNotEmpty');
    }
    return refuse(response, 'NoSuchRoute');
  }

  async function list(
    request: IncomingMessage,
    response: ServerResponse,
    bucket: string,
    version: 'v1' | 'v2',
    caller: Caller,
  ): Promise<void> {
    if (caller.role === 'anon') return refuse(response, 'AccessDenied');
    const asked = await readJson(request);
    if (version === 'v2') {
      const body = v.safeParse(listV2, asked);
      if (!body.success) return refuse(response, 'InvalidRequest');
      const { prefix, limit, cursor = '' } = body.output;
      const most = Math.min(limit, 1000);
      const found = await files.list(bucket, {
        prefix,
        after: Buffer.from(cursor, 'base64').toString(),
        limit: most + 1,
      });
      const objects = found.slice(0, most);
      const hasNext = found.length > most;
      return sendJson(response, 200, {
        hasNext,
        ...(hasNext ? { nextCursor: Buffer.from(objects.at(-1)?.name ?? '').toString('base64') } : {}),
        folders: [],
        objects: objects.map(metadata),
      });
    }
    const body = v.safeParse(listV1, asked);
    if (!body.success) return refuse(response, 'InvalidRequest');
    // One level: what lies deeper shows as a folder, an entry without an id.
    const prefix =
      body.output.prefix === '' || body.output.prefix.endsWith('/') ? body.output.prefix : `${body.output.prefix}/`;
    const level = new Map<string, unknown>();
    for (const object of await files.list(bucket, { prefix, after: '', limit: 200_000 })) {
      const [name = '', ...deeper] = object.name.slice(prefix.length).split('/');
      level.set(
        name,
        deeper.length === 0
          ? { ...metadata(object), name }
          : { name, id: null, updated_at: null, created_at: null, last_accessed_at: null, metadata: null },
      );
    }
    return sendJson(
      response,
      200,
      [...level.values()].slice(body.output.offset, body.output.offset + body.output.limit),
    );
  }

  async function signedDownload(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    path: string,
  ): Promise<void> {
    const named = await tokens.objectOf(url.searchParams.get('token') ?? '');
    if (named === null || named !== path) return refuse(response, 'InvalidJWT');
    const [bucket = '', ...rest] = path.split('/');
    return send(request, response, bucket, rest.join('/'));
  }

  return async (request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> => {
    const path = decodeURIComponent(url.pathname.slice('/storage/v1/'.length));
    const [area = '', ...rest] = path.split('/');
    const caller = await tokens.caller(request);
    if (area === 'object' && rest[0] === 'public' && (request.method === 'GET' || request.method === 'HEAD')) {
      const bucket = await files.bucket(rest[1] ?? '');
      if (bucket === null || !bucket.public) return refuse(response, 'NoSuchBucket');
      return send(request, response, bucket.id, rest.slice(2).join('/'));
    }
    if (area === 'object' && rest[0] === 'sign' && request.method === 'GET')
      return signedDownload(request, response, url, rest.slice(1).join('/'));
    if (caller === null) return refuse(response, 'InvalidJWT');
    if (area === 'bucket') return buckets(request, response, rest.join('/'), caller);
    if (area !== 'object') return refuse(response, 'NoSuchRoute');
    const [first = ''] = rest;
    const named = ['authenticated', 'info', 'list', 'list-v2', 'sign'].includes(first);
    const bucket = await files.bucket((named ? rest[1] : first) ?? '');
    if (bucket === null) return refuse(response, 'NoSuchBucket');
    const name = rest.slice(named ? 2 : 1).join('/');
    if (first === 'list' || first === 'list-v2')
      return list(request, response, bucket.id, first === 'list' ? 'v1' : 'v2', caller);
    if (request.method === 'DELETE' && name === '') {
      const body = v.safeParse(removal, await readJson(request));
      if (!body.success || body.output.prefixes.length > MOST_DELETED) return refuse(response, 'InvalidRequest');
      const allowed = body.output.prefixes.filter((one) => may(caller, 'write', bucket, one));
      return sendJson(response, 200, (await files.remove(bucket.id, allowed)).map(metadata));
    }
    if (!KEY.test(name)) return refuse(response, 'InvalidKey');
    switch (request.method) {
      case 'GET':
      case 'HEAD': {
        // A missing permission looks like a missing object.
        if (!may(caller, 'read', bucket, name)) return refuse(response, 'NoSuchKey');
        if (first !== 'info') return send(request, response, bucket.id, name);
        const object = await files.find(bucket.id, name);
        return object === null
          ? refuse(response, 'NoSuchKey')
          : sendJson(response, 200, {
              ...metadata(object),
              size: object.size,
              etag: object.etag,
              content_type: object.mimetype,
            });
      }
      case 'POST':
      case 'PUT': {
        if (first === 'sign') {
          const body = v.safeParse(v.object({ expiresIn: v.number() }), await readJson(request));
          if (!body.success || !may(caller, 'read', bucket, name)) return refuse(response, 'InvalidRequest');
          const token = await tokens.forObject(`${bucket.id}/${name}`, body.output.expiresIn);
          return sendJson(response, 200, { signedURL: `/object/sign/${bucket.id}/${name}?token=${token}` });
        }
        if (!may(caller, 'write', bucket, name)) return refuse(response, 'AccessDenied');
        return upload(request, response, bucket.id, name);
      }
      case 'DELETE': {
        if (!may(caller, 'write', bucket, name)) return refuse(response, 'NoSuchKey');
        const [gone] = await files.remove(bucket.id, [name]);
        return gone === undefined
          ? refuse(response, 'NoSuchKey')
          : sendJson(response, 200, { message: 'Successfully deleted' });
      }
      default:
        return refuse(response, 'NoSuchRoute');
    }
  };
}

async function collect(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
