import type { Hono } from 'hono';
import { ApiError } from './api-error.ts';
import { keyOfPath, ownerOf } from './keys.ts';
import { askLedger } from './limits/user-ledger.ts';
import { laterOf, storeContext, type App, type Build, type RouteContext } from './route-context.ts';
import { verifySignedUrl, type SignedRequest } from './signed-url.ts';
import { holdName, noteArrival } from './upload-routes.ts';

/** The length that was signed is the length that comes. @throws ApiError 411 or 400 */
function checkLength(context: RouteContext, signed: SignedRequest): number {
  const size = signed.sizeBytes ?? 0;
  const length = context.req.header('content-length');
  if (length === undefined && size !== 0)
    throw new ApiError(411, 'LENGTH_REQUIRED', 'the upload needs a Content-Length');
  if (Number(length ?? 0) !== size) throw new ApiError(400, 'LENGTH_MISMATCH', `the link was signed for ${size} bytes`);
  return size;
}

const bodyOf = (context: RouteContext): ReadableStream => context.req.raw.body ?? new Blob([]).stream();

/** Uploads by a signed link; what reads by one is `signed-read.ts`. No token is needed, the signature is one. */
export function mediaRoutes(app: Hono<App>, build: Build): void {
  app.put('/media/*', async (context) => {
    const { env } = context;
    const url = new URL(context.req.url);
    const key = keyOfPath(url.pathname);
    const signed = await verifySignedUrl(env, 'PUT', key, url);
    const size = checkLength(context, signed);
    if (signed.upload !== undefined && signed.part !== undefined) return putPart(context, key, signed, size);
    const contentType = context.req.header('content-type') ?? '';
    if (contentType !== signed.contentType)
      throw new ApiError(400, 'TYPE_MISMATCH', `the link was signed for ${signed.contentType}`);
    const hold = holdName(key, signed.upload ?? null);
    const earlier = await arrivedBefore(context, build, { key, hold, size });
    if (earlier !== null) return context.json({ key, etag: earlier, size }, 201);
    const { etag } = await build.store(env).put(key, bodyOf(context), size, contentType);
    await noteArrival(context, build, { key, hold, etag, sizeBytes: size, contentType, title: null });
    return context.json({ key, etag, size }, 201);
  });
}

/**
 * The ETag of an upload whose link was used before: the same link brings no second file, and who lost the answer gets
 * it again. `null` when the upload is still awaited (or the ledger is away: then the signature alone counts).
 */
async function arrivedBefore(
  context: RouteContext,
  build: Build,
  { key, hold, size }: { key: string; hold: string; size: number },
): Promise<string | null> {
  const userId = ownerOf(key);
  if (userId === null) return null;
  const awaited = await askLedger(context.env, userId, (ledger) => ledger.reserved(hold)).catch(() => size);
  if (awaited !== null) return null;
  const there = await build
    .store(context.env)
    .open(key, 'head', storeContext(context.env, laterOf(context), context.req.routePath));
  if (there !== null && there.size === size) return there.etag;
  throw new ApiError(409, 'UPLOAD_OVER', 'this link was used or given up; ask for a new one');
}

async function putPart(context: RouteContext, key: string, signed: SignedRequest, size: number): Promise<Response> {
  const sized = new FixedLengthStream(size);
  const upload = context.env.MEDIA.resumeMultipartUpload(key, signed.upload ?? '');
  const piped = bodyOf(context).pipeTo(sized.writable);
  const arriving = upload.uploadPart(signed.part ?? 0, sized.readable).catch((error: unknown) => {
    // R2's code for an upload that was completed or given up: no part can be added to it any more.
    if (String(error).includes('(10024)')) throw new ApiError(409, 'UPLOAD_INVALID', 'this upload is over');
    throw error;
  });
  const [part] = await Promise.all([arriving, piped]);
  return context.json({ part: part.partNumber, etag: part.etag }, 201);
}
