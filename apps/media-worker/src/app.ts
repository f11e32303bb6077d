import { Hono, type Context } from 'hono';
import { cors } from 'hono/cors';
import { ApiError, errorBody } from './api-error.ts';
import { authenticate } from './auth.ts';
import type { Env } from './env.ts';
import { checkFile, checkKey, keyOfPath, mintUploadKey, ownerOf } from './keys.ts';
import {
  databaseAlive,
  forgetUpload,
  libraryAccess,
  listLibrary,
  listUploads,
  recordUpload,
  tierOf,
  type Tier,
} from './library.ts';
import type { MediaStore } from './media-store.ts';
import { found, serveMedia } from './serve-media.ts';
import { signUrl, verifySignedUrl } from './signed-url.ts';

type App = { Bindings: Env; Variables: { userId: string } };

const MEBIBYTE = 1024 * 1024;
/** Largest upload by tier, bytes. */
const LARGEST: Readonly<Record<Tier, number>> = {
  free: 25 * MEBIBYTE,
  pro: 100 * MEBIBYTE,
  enterprise: 500 * MEBIBYTE,
};
const EXPOSED = [
  'ETag',
  'Content-Range',
  'Accept-Ranges',
  'X-RateLimit-Limit',
  'X-RateLimit-Remaining',
  'X-RateLimit-Reset',
  'X-Audafact-Version',
];
const HEALTH_MS = 2000;
const LARGEST_RUM_BYTES = 4096;

export interface Build {
  readonly name: 'r2' | 'bypass';
  store(env: Env): MediaStore;
  /** The public URL that the old app needs of an upload; `null` where only the key counts. */
  fileUrl(env: Env, key: string): string | null;
}

/** Whether the user may read the file. Throws ApiError 403 or 404. */
async function mayRead(env: Env, userId: string, key: string): Promise<void> {
  const owner = ownerOf(key);
  if (owner !== null) {
    if (owner !== userId) throw new ApiError(403, 'NOT_OWNER', 'this file belongs to somebody else');
    return;
  }
  const access = await libraryAccess(env, key);
  if (access === null) throw new ApiError(404, 'NOT_FOUND', 'there is no such track');
  if (access.isProOnly && (await tierOf(env, userId)) === 'free')
    throw new ApiError(403, 'PRO_ONLY', 'this track needs the pro or enterprise tier');
}

async function readJson(context: Context<App>): Promise<Record<string, unknown>> {
  const body: unknown = await context.req.json().catch(() => null);
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new ApiError(400, 'BODY_INVALID', 'the body must be a JSON object');
  return body as Record<string, unknown>;
}

/** `true` when the dependency answered in time. */
async function answers(asked: Promise<boolean>): Promise<boolean> {
  const timeout = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), HEALTH_MS));
  return Promise.race([asked.catch(() => false), timeout]);
}

/** The API of audafact-api over one kind of store. */
export function createApp(build: Build): Hono<App> {
  const app = new Hono<App>();

  app.use(async (context, next) => {
    await next();
    context.res.headers.set('x-audafact-version', context.env.VERSION.id);
  });
  app.use(
    cors({
      origin: (origin, context: Context<App>) =>
        context.env.ALLOWED_ORIGINS.split(',').includes(origin) ? origin : null,
      allowMethods: ['GET', 'HEAD', 'PUT', 'POST', 'OPTIONS'],
      allowHeaders: ['authorization', 'content-type', 'range', 'if-none-match', 'if-range'],
      exposeHeaders: EXPOSED,
      maxAge: 3600,
    }),
  );
  app.onError((error, context) => {
    if (error instanceof ApiError)
      return context.json(errorBody(error.code, error.message), error.status, { ...error.headers });
    const id = crypto.randomUUID();
    console.error(id, error.message);
    return context.json(errorBody('INTERNAL', `something went wrong; reference ${id}`), 500);
  });
  app.notFound((context) => context.json(errorBody('ROUTE_NOT_FOUND', 'there is no such route'), 404));

  app.get('/health', async (context) => {
    const { env } = context;
    const [store, database] = await Promise.all([answers(build.store(env).alive()), answers(databaseAlive(env))]);
    return context.json({
      status: store && database ? 'ok' : 'degraded',
      service: 'audafact-api',
      version: { id: env.VERSION.id, tag: env.VERSION.tag },
      environment: env.ENVIRONMENT,
      build: build.name,
      dependencies: { store, database },
    });
  });

  app.post('/rum', async (context) => {
    if (Number(context.req.header('content-length') ?? 0) > LARGEST_RUM_BYTES)
      throw new ApiError(413, 'BODY_TOO_LARGE', 'a timing has at most 4 KiB');
    await readJson(context);
    return context.body(null, 204);
  });

  app.use('/api/*', async (context, next) => {
    const { userId } = await authenticate(context.req.header('authorization'), context.env);
    context.set('userId', userId);
    await next();
  });

  app.get('/api/library', async (context) => context.json({ tracks: await listLibrary(context.env) }));
  app.get('/api/uploads', async (context) =>
    context.json({ uploads: await listUploads(context.env, context.get('userId')) }),
  );

  app.post('/api/sign-upload', async (context) => {
    const { env } = context;
    const userId = context.get('userId');
    const { filename, contentType, sizeBytes } = await readJson(context);
    if (typeof filename !== 'string' || typeof contentType !== 'string')
      throw new ApiError(400, 'BODY_INVALID', 'filename and contentType are needed');
    if (typeof sizeBytes !== 'number' || !Number.isInteger(sizeBytes) || sizeBytes < 0)
      throw new ApiError(400, 'BODY_INVALID', 'sizeBytes must be a whole number');
    const { extension } = checkFile(filename, contentType);
    const largest = LARGEST[await tierOf(env, userId)];
    if (sizeBytes > largest)
      throw new ApiError(413, 'FILE_TOO_LARGE', `the largest file of your tier has ${largest / MEBIBYTE} MiB`);
    const key = mintUploadKey(userId, filename, extension);
    const signed = await signUrl(env, { method: 'PUT', key, contentType, sizeBytes });
    return context.json({ key, ...signed, method: 'PUT', headers: { 'content-type': contentType } });
  });

  app.get('/api/sign-file', async (context) => {
    const key = checkKey(context.req.query('key'));
    await mayRead(context.env, context.get('userId'), key);
    return context.json({ key, ...(await signUrl(context.env, { method: 'GET', key })) });
  });

  app.get('/api/stream', async (context) => {
    const key = checkKey(context.req.query('key'));
    await mayRead(context.env, context.get('userId'), key);
    const media = found(await build.store(context.env).open(key, (work) => context.executionCtx.waitUntil(work)));
    return serveMedia(context.req.raw, key, media);
  });

  app.post('/api/delete-file', async (context) => {
    const { key: asked } = await readJson(context);
    const key = checkKey(typeof asked === 'string' ? asked : undefined);
    const owner = ownerOf(key);
    if (owner !== context.get('userId')) throw new ApiError(403, 'NOT_OWNER', 'only its owner may delete a file');
    await build.store(context.env).delete(key);
    await forgetUpload(context.env, key);
    return context.json({ deleted: true, key });
  });

  app.put('/media/*', async (context) => {
    const { env } = context;
    const url = new URL(context.req.url);
    const key = keyOfPath(url.pathname);
    const signed = await verifySignedUrl(env, 'PUT', key, url);
    const length = context.req.header('content-length');
    if (length === undefined && signed.sizeBytes !== 0)
      throw new ApiError(411, 'LENGTH_REQUIRED', 'the upload needs a Content-Length');
    if (Number(length ?? 0) !== signed.sizeBytes)
      throw new ApiError(400, 'LENGTH_MISMATCH', `the link was signed for ${signed.sizeBytes} bytes`);
    const contentType = context.req.header('content-type') ?? '';
    if (contentType !== signed.contentType)
      throw new ApiError(400, 'TYPE_MISMATCH', `the link was signed for ${signed.contentType}`);
    const body = context.req.raw.body ?? new Blob([]).stream();
    const { etag } = await build.store(env).put(key, body, signed.sizeBytes, contentType);
    const userId = ownerOf(key);
    if (userId !== null && key.startsWith('users/')) {
      const title = key.slice(key.lastIndexOf('/') + 1);
      await recordUpload(env, {
        userId,
        key,
        title,
        contentType,
        sizeBytes: signed.sizeBytes,
        fileUrl: build.fileUrl(env, key),
      });
    }
    return context.json({ key, etag, size: signed.sizeBytes }, 201);
  });

  app.get('/media/*', async (context) => {
    const url = new URL(context.req.url);
    const key = keyOfPath(url.pathname);
    await verifySignedUrl(context.env, context.req.method, key, url);
    const media = found(await build.store(context.env).open(key, (work) => context.executionCtx.waitUntil(work)));
    return serveMedia(context.req.raw, key, media);
  });
  return app;
}
