import type { Hono } from 'hono';
import { ApiError } from './api-error.ts';
import { checkFile, checkKey, mintUploadKey, ownerOf } from './keys.ts';
import { recordUpload, tierOf } from './library.ts';
import { askLedger, limitsOf } from './limits/user-ledger.ts';
import { announce } from './media-events.ts';
import { presign } from './presigned-s3.ts';
import {
  countAgainst,
  laterOf,
  readJson,
  storeContext,
  type App,
  type Build,
  type RouteContext,
} from './route-context.ts';
import { openTicket, sealTicket, signUrl, type UploadTicket } from './signed-url.ts';

const MEBIBYTE = 1024 * 1024;
/** Above this size an upload always comes in parts, bytes: the platform's own bound on a request's body. */
const LARGEST_SINGLE = 100 * MEBIBYTE;
/** Asked for, an upload above this size comes in parts, so that it can be paused, bytes. */
const SMALLEST_RESUMABLE = 8 * MEBIBYTE;
/** All parts but the last have this size (R2 demands equal ones), bytes. */
export const PART_BYTES = 8 * MEBIBYTE;
const MOST_PARTS_SIGNED = 100;
/** How much longer than its link an upload may take before its quota is free again, seconds. */
const GRACE_SECONDS = 15 * 60;
/** As long as the bucket keeps unfinished uploads, seconds. */
const MULTIPART_SECONDS = 24 * 3600;
const LONGEST_TITLE = 200;

/** An upload's name in the ledger; no key holds `//`, so that none is taken for another's. */
export const holdName = (key: string, turn: string | null): string => (turn === null ? key : `${key}//${turn}`);

/** An upload arrived: its row, its place in the ledger, and the mirror's event. */
export async function noteArrival(
  context: RouteContext,
  build: Build,
  upload: { key: string; hold?: string; etag: string; sizeBytes: number; contentType: string; title: string | null },
): Promise<void> {
  const { env } = context;
  const { key, etag, sizeBytes, contentType, hold = key } = upload;
  const userId = ownerOf(key);
  announce(env, laterOf(context), { type: 'put', key, size: sizeBytes, etag });
  if (userId === null) return;
  await Promise.all([
    key.startsWith('users/')
      ? recordUpload(env, {
          userId,
          key,
          title: upload.title ?? readableName(key),
          contentType,
          sizeBytes,
          fileUrl: build.fileUrl(env, key),
        })
      : null,
    // The file is there and stays: a ledger that is away for once must not make the user send it again.
    askLedger(env, userId, (ledger) => ledger.settle(hold, sizeBytes)).catch((error: unknown) =>
      console.error('limits', String(error)),
    ),
  ]);
}

/** What is left of the file's own name in its key, without the id before it. */
function readableName(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1).replace(/^[0-9a-f-]{36}-/, '');
}

/**
 * While a migration lasts, a deployment may take fewer types than the Worker knows: those that the old store takes back.
 * @throws ApiError 400 TYPE_NOT_ALLOWED
 */
function expectTaken({ UPLOAD_TYPES = '' }: RouteContext['env'], contentType: string): void {
  const taken = UPLOAD_TYPES.split(',').filter((type) => type !== '');
  if (taken.length > 0 && !taken.includes(contentType))
    throw new ApiError(400, 'TYPE_NOT_ALLOWED', `for now only ${taken.join(', ')} are taken`);
}

/** The caller's own key. @throws ApiError 403 NOT_OWNER */
function ownKey(context: RouteContext, key: unknown): string {
  const checked = checkKey(typeof key === 'string' ? key : undefined);
  if (ownerOf(checked) !== context.get('userId'))
    throw new ApiError(403, 'NOT_OWNER', 'this upload belongs to somebody else');
  return checked;
}

const partsOf = (sizeBytes: number): number => Math.max(1, Math.ceil(sizeBytes / PART_BYTES));

function partSize({ sizeBytes }: UploadTicket, part: number): number {
  const parts = partsOf(sizeBytes);
  if (!Number.isInteger(part) || part < 1 || part > parts)
    throw new ApiError(400, 'BODY_INVALID', `this upload has the parts 1 to ${parts}`);
  return part < parts ? PART_BYTES : sizeBytes - (parts - 1) * PART_BYTES;
}

interface NewUpload {
  readonly filename: string;
  /** The caller's own file that the new bytes take the place of. */
  readonly replaces: string | null;
  readonly contentType: string;
  readonly sizeBytes: number;
  readonly title: string | null;
  readonly resumable: boolean;
}

async function readUpload(context: RouteContext): Promise<NewUpload> {
  const { filename, contentType, sizeBytes, title, resumable, replaces } = await readJson(context);
  if (typeof filename !== 'string' || typeof contentType !== 'string')
    throw new ApiError(400, 'BODY_INVALID', 'filename and contentType are needed');
  if (typeof sizeBytes !== 'number' || !Number.isInteger(sizeBytes) || sizeBytes < 0)
    throw new ApiError(400, 'BODY_INVALID', 'sizeBytes must be a whole number');
  if (title !== undefined && (typeof title !== 'string' || title.length > LONGEST_TITLE))
    throw new ApiError(400, 'BODY_INVALID', `a title has at most ${LONGEST_TITLE} characters`);
  return {
    filename,
    contentType,
    sizeBytes,
    title: title ?? null,
    resumable: resumable === true,
    replaces: replaces === undefined ? null : ownKey(context, replaces),
  };
}

/**
 * Whether the file is there to be replaced, and by what may take its place: of the same type, in one piece.
 * @throws ApiError 404 NOT_FOUND, 400 TYPE_MISMATCH, 413 REPLACEMENT_TOO_LARGE
 */
async function checkReplaceable(
  context: RouteContext,
  build: Build,
  key: string,
  { extension, sizeBytes }: { extension: string; sizeBytes: number },
): Promise<void> {
  const { env } = context;
  if (!key.endsWith(`.${extension}`)) throw new ApiError(400, 'TYPE_MISMATCH', 'a file is replaced by one of its type');
  // Completing an upload in parts takes an object that is there for the one that arrived.
  if (sizeBytes > LARGEST_SINGLE)
    throw new ApiError(
      413,
      'REPLACEMENT_TOO_LARGE',
      `a file above ${LARGEST_SINGLE / MEBIBYTE} MiB replaces none; upload it anew`,
    );
  const there = await build.store(env).open(key, 'head', storeContext(env, laterOf(context), context.req.routePath));
  if (there === null) throw new ApiError(404, 'NOT_FOUND', 'there is no such file');
}

/** Everything that leads to a new file: signing, parts, completing, giving up. */
export function uploadRoutes(app: Hono<App>, build: Build): void {
  app.post('/api/sign-upload', async (context) => {
    const { env } = context;
    const userId = context.get('userId');
    const upload = await readUpload(context);
    const { extension } = checkFile(upload.filename, upload.contentType);
    expectTaken(env, upload.contentType);
    const { sizeBytes, contentType, title } = upload;
    const { largestFile } = limitsOf(env, await tierOf(env, userId));
    if (sizeBytes > largestFile)
      throw new ApiError(
        413,
        'FILE_TOO_LARGE',
        `the largest file of your tier has ${Math.floor((largestFile / MEBIBYTE) * 100) / 100} MiB`,
      );
    const { replaces } = upload;
    if (replaces !== null) await checkReplaceable(context, build, replaces, { extension, sizeBytes });
    const key = replaces ?? mintUploadKey(userId, upload.filename, extension);
    const inParts =
      replaces === null && (sizeBytes > LARGEST_SINGLE || (upload.resumable && sizeBytes > SMALLEST_RESUMABLE));
    if (inParts && build.name === 'bypass')
      throw new ApiError(503, 'PARTS_UNAVAILABLE', 'large uploads pause for a moment; try again', {
        'retry-after': '60',
      });
    const urlSeconds = Number(env.SIGNED_URL_SECONDS);
    const holdSeconds = inParts ? MULTIPART_SECONDS : urlSeconds + GRACE_SECONDS;
    const presigned = env.SIGNED_URL_MODE === 's3' && build.name === 'r2';
    // Two links to replace the same file are two uploads: each has its own place in the ledger.
    const turn = replaces === null || presigned ? null : crypto.randomUUID();
    const hold = holdName(key, turn);
    await countAgainst(context, 'refuse', (ledger, limits) =>
      ledger.reserve(hold, sizeBytes, urlSeconds, holdSeconds, limits),
    );
    if (inParts) {
      const { uploadId } = await env.MEDIA.createMultipartUpload(key, { httpMetadata: { contentType } });
      const ticket = await sealTicket(env, { key, upload: uploadId, sizeBytes, contentType, title });
      const expiresAt = new Date(Date.now() + holdSeconds * 1000).toISOString();
      const multipart = { uploadId: ticket, partSizeBytes: PART_BYTES, parts: partsOf(sizeBytes) };
      return context.json({ key, expiresAt, multipart });
    }
    const request = { method: 'PUT', key, contentType, sizeBytes } as const;
    const signed = presigned
      ? await presign(env, request)
      : await signUrl(env, turn === null ? request : { ...request, upload: turn });
    return context.json({ key, ...signed, method: 'PUT', headers: { 'content-type': contentType } });
  });

  app.post('/api/sign-parts', async (context) => {
    const { key: asked, uploadId, parts } = await readJson(context);
    const key = ownKey(context, asked);
    const ticket = await openTicket(context.env, key, uploadId);
    if (!Array.isArray(parts) || parts.length === 0 || parts.length > MOST_PARTS_SIGNED)
      throw new ApiError(400, 'BODY_INVALID', `1 to ${MOST_PARTS_SIGNED} part numbers are needed`);
    const signed = parts.map(async (part: unknown) => {
      const sizeBytes = partSize(ticket, Number(part));
      const request = { method: 'PUT', key, sizeBytes, upload: ticket.upload, part: Number(part) } as const;
      return { part: Number(part), sizeBytes, ...(await signUrl(context.env, request)) };
    });
    return context.json({ parts: await Promise.all(signed) });
  });

  app.post('/api/complete-upload', async (context) => {
    const { env } = context;
    const { key: asked, uploadId, parts } = await readJson(context);
    const key = ownKey(context, asked);
    if (uploadId === undefined) return context.json(await completePresigned(context, build, key), 201);
    const ticket = await openTicket(env, key, uploadId);
    const done = readParts(parts, partsOf(ticket.sizeBytes));
    // Completed before, and the answer was lost: the object tells.
    const already = (await env.MEDIA.head(key)) ?? null;
    const object =
      already ??
      (await env.MEDIA.resumeMultipartUpload(key, ticket.upload)
        .complete(done)
        .catch((error: unknown) => {
          console.error('complete', String(error));
          throw new ApiError(409, 'UPLOAD_INCOMPLETE', 'a part is missing or another than was sent');
        }));
    const { sizeBytes, contentType, title } = ticket;
    if (object.size !== sizeBytes) {
      await env.MEDIA.delete(key);
      throw new ApiError(400, 'LENGTH_MISMATCH', `the upload was signed for ${sizeBytes} bytes`);
    }
    if (already === null) await noteArrival(context, build, { key, etag: object.etag, sizeBytes, contentType, title });
    return context.json({ key, etag: object.etag, size: object.size }, 201);
  });

  app.post('/api/abort-upload', async (context) => {
    const { env } = context;
    const { key: asked, uploadId } = await readJson(context);
    const key = ownKey(context, asked);
    if (uploadId !== undefined) {
      const ticket = await openTicket(env, key, uploadId);
      // One that is gone already is what was asked for.
      await env.MEDIA.resumeMultipartUpload(key, ticket.upload)
        .abort()
        .catch((error: unknown) => console.error('abort', String(error)));
    }
    await askLedger(env, context.get('userId'), (ledger) => ledger.release(key));
    return context.json({ aborted: true, key });
  });
}

function readParts(parts: unknown, count: number): { partNumber: number; etag: string }[] {
  const list: unknown[] = Array.isArray(parts) ? parts : [];
  const done = list.flatMap((one) => {
    if (typeof one !== 'object' || one === null) return [];
    const { part, etag } = one as Record<string, unknown>;
    return typeof part === 'number' && typeof etag === 'string' ? [{ partNumber: part, etag }] : [];
  });
  if (done.length !== count || new Set(done.map((one) => one.partNumber)).size !== count)
    throw new ApiError(409, 'UPLOAD_INCOMPLETE', `${count} parts are needed, each once`);
  return done.toSorted((a, b) => a.partNumber - b.partNumber);
}

/** An upload that went past the Worker, straight to the bucket: what lies there is what counts. */
async function completePresigned(
  context: RouteContext,
  build: Build,
  key: string,
): Promise<{ key: string; etag: string; size: number }> {
  const { env } = context;
  const object = await env.MEDIA.head(key);
  if (object === null) throw new ApiError(409, 'UPLOAD_INCOMPLETE', 'the file has not arrived');
  const reserved = await askLedger(env, context.get('userId'), (ledger) => ledger.reserved(key));
  if (reserved !== null) {
    const contentType = object.httpMetadata?.contentType ?? 'application/octet-stream';
    await noteArrival(context, build, { key, etag: object.etag, sizeBytes: object.size, contentType, title: null });
  }
  return { key, etag: object.etag, size: object.size };
}
