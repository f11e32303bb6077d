import { ApiError } from './api-error.ts';
import { parseRange } from './byte-range.ts';
import { cacheControl, etagFor } from './cache-policy.ts';
import { judgePreconditions, rangeStillFits } from './conditional.ts';
import type { OpenMedia } from './media-store.ts';

/** Answers a GET or HEAD for an object: conditions first, then the range, then the bytes, streamed. */
export async function serveMedia(request: Request, key: string, media: OpenMedia): Promise<Response> {
  const etag = etagFor(key, media.etag);
  const headers = new Headers({
    etag,
    'last-modified': media.modified.toUTCString(),
    'cache-control': cacheControl(key),
    'accept-ranges': 'bytes',
    'x-audafact-source': media.source,
  });
  const precondition = judgePreconditions(request.headers, etag, media.modified);
  if (precondition === 'not modified') return new Response(null, { status: 304, headers });
  if (precondition === 'failed')
    return Response.json(
      { error: { code: 'PRECONDITION_FAILED', message: 'the object is another by now' } },
      { status: 412, headers },
    );
  headers.set('content-type', media.contentType);
  // What users upload must never run as a page of the media domain.
  headers.set('x-content-type-options', 'nosniff');
  const head = request.method === 'HEAD';
  // RFC 9110 §14.2: a Range counts for GET only.
  const wanted = !head && rangeStillFits(request.headers, etag, media.modified) ? request.headers.get('range') : null;
  const range = parseRange(wanted ?? undefined, media.size);
  const length = range === null ? media.size : range.end - range.start + 1;
  headers.set('content-length', String(length));
  if (range !== null) headers.set('content-range', `bytes ${range.start}-${range.end}/${media.size}`);
  const status = range === null ? 200 : 206;
  if (head || length === 0) return new Response(null, { status, headers });
  const sized = new FixedLengthStream(length);
  const body = await media.body(range);
  // A reader that goes away ends the pipe; that is its own affair.
  body.pipeTo(sized.writable).catch(() => {});
  return new Response(sized.readable, { status, headers });
}

/** The object, or the refusal that it is not there. */
export function found(media: OpenMedia | null): OpenMedia {
  if (media === null) throw new ApiError(404, 'NOT_FOUND', 'there is no such file');
  return media;
}
