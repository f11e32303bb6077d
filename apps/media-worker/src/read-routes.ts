import type { Hono } from 'hono';
import { ApiError } from './api-error.ts';
import type { Env } from './env.ts';
import { checkKey, ownerOf } from './keys.ts';
import { forgetUpload, libraryAccess, listLibrary, listUploads, tierOf } from './library.ts';
import { announce } from './media-events.ts';
import { presign } from './presigned-s3.ts';
import {
  countAgainst,
  laterOf,
  mayTest,
  readJson,
  storeContext,
  type App,
  type Build,
  type RouteContext,
} from './route-context.ts';
import { askedBy, found, serveMedia } from './serve-media.ts';
import { signUrl } from './signed-url.ts';

/** Whether the user may read the file. @throws ApiError 403 or 404 */
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

/** How long a link lives, seconds. Staging's validation may ask for a short one, to see it end. */
function linkSeconds(context: RouteContext): number {
  const asked = Number(context.req.header('x-test-link-seconds') ?? 0);
  return asked > 0 && mayTest(context) ? asked : Number(context.env.SIGNED_URL_SECONDS);
}

const nameOf = (key: string): string => key.slice(key.lastIndexOf('/') + 1);

/** Listings, links to read by, streaming, and deleting. */
export function readRoutes(app: Hono<App>, build: Build): void {
  app.get('/api/library', async (context) => {
    await countAgainst(context, 'allow', (ledger, limits) => ledger.peek('previews', limits));
    return context.json({ tracks: await listLibrary(context.env) });
  });
  app.get('/api/uploads', async (context) => {
    await countAgainst(context, 'allow', (ledger, limits) => ledger.peek('uploads', limits));
    return context.json({ uploads: await listUploads(context.env, context.get('userId')) });
  });

  app.get('/api/sign-file', async (context) => {
    const { env } = context;
    const key = checkKey(context.req.query('key'));
    const download = context.req.query('download') === '1';
    await mayRead(env, context.get('userId'), key);
    const seconds = linkSeconds(context);
    await countAgainst(context, 'allow', (ledger, limits) =>
      ledger.take(download ? 'downloads' : 'previews', key, seconds, limits),
    );
    const request = { method: 'GET', key, ...(download ? { download: true } : {}) } as const;
    const signed =
      env.SIGNED_URL_MODE === 's3' && build.name === 'r2'
        ? await presign(env, { method: 'GET', key, ...(download ? { downloadAs: nameOf(key) } : {}) })
        : await signUrl({ ...env, SIGNED_URL_SECONDS: String(seconds) }, request);
    return context.json({ key, ...signed });
  });

  app.get('/api/stream', async (context) => {
    const { env } = context;
    const key = checkKey(context.req.query('key'));
    await mayRead(env, context.get('userId'), key);
    const seconds = Number(env.SIGNED_URL_SECONDS);
    await countAgainst(context, 'allow', (ledger, limits) => ledger.take('previews', key, seconds, limits));
    const asked = askedBy(context.req.raw);
    const store = storeContext(env, laterOf(context), context.req.routePath);
    const media = found(await build.store(env).open(key, asked.wanted, store));
    context.set('source', media.source);
    const answer = await serveMedia(context.req.raw, asked, key, media);
    // A raw Response replaces the context's: what the ledger said goes along.
    context.res.headers.forEach((value, name) => {
      if (name.startsWith('x-ratelimit')) answer.headers.set(name, value);
    });
    return answer;
  });

  app.post('/api/delete-file', async (context) => {
    const { env } = context;
    const { key: asked } = await readJson(context);
    const key = checkKey(typeof asked === 'string' ? asked : undefined);
    const userId = context.get('userId');
    if (ownerOf(key) !== userId) throw new ApiError(403, 'NOT_OWNER', 'only its owner may delete a file');
    await build.store(env).delete(key);
    announce(env, laterOf(context), { type: 'delete', key, size: null, etag: null });
    await forgetUpload(env, key);
    await countAgainst(context, 'allow', async (ledger, limits) => {
      await ledger.release(key);
      return ledger.peek('uploads', limits);
    });
    return context.json({ deleted: true, key });
  });
}
