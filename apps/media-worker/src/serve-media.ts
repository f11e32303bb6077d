import { ApiError } from './api-error.ts';
import { parseRanges, singleRange, type ByteRange } from './byte-range.ts';
import { cacheControl, etagFor } from './cache-policy.ts';
import { judgePreconditions, rangeStillFits } from './conditional.ts';
import type { OpenMedia, Wanted } from './media-store.ts';

const CONDITIONS = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'if-range'];

/** What a request will read, as far as its headers tell: conditions may make all bytes needless. */
export function wantedBy(request: Request): Wanted {
  if (request.method === 'HEAD' || CONDITIONS.some((name) => request.headers.has(name))) return 'head';
  const range = request.headers.get('range');
  if (range === null) return 'all';
  return singleRange(range) ?? 'head';
}

/** Answers a GET or HEAD for an object: conditions first, then the ranges, then the bytes, streamed. */
export async function serveMedia(
  request: Request,
  key: string,
  media: OpenMedia,
  options: { downloadAs?: string } = {},
): Promise<Response> {
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
  if (options.downloadAs !== undefined)
    headers.set('content-disposition', `attachment; filename*=UTF-8''${encodeURIComponent(options.downloadAs)}`);
  const head = request.method === 'HEAD';
  // RFC 9110 §14.2: a Range counts for GET only.
  const asked = !head && rangeStillFits(request.headers, etag, media.modified) ? request.headers.get('range') : null;
  const ranges = parseRanges(asked ?? undefined, media.size);
  if (ranges !== null && ranges.length > 1) return severalParts(media, ranges, headers);
  const range = ranges?.[0] ?? null;
  const length = range === null ? media.size : range.end - range.start + 1;
  headers.set('content-length', String(length));
  if (range !== null) headers.set('content-range', `bytes ${range.start}-${range.end}/${media.size}`);
  const status = range === null ? 200 : 206;
  if (head || length === 0) return new Response(null, { status, headers });
  const body = await media.body(range);
  // R2's own stream knows its length, and passes through the runtime without being touched.
  return new Response(media.source === 'r2' ? body : fixed(body, length), { status, headers });
}

/** The stream with its length told, so that the answer has a Content-Length. */
function fixed(body: ReadableStream, length: number): ReadableStream {
  const sized = new FixedLengthStream(length);
  // A reader that goes away ends the pipe; that is its own affair.
  body.pipeTo(sized.writable).catch(() => {});
  return sized.readable;
}

/** RFC 9110 §14.6: several ranges in one answer, each with its own header, one opened after the other. */
function severalParts(media: OpenMedia, ranges: readonly ByteRange[], headers: Headers): Response {
  const boundary = crypto.randomUUID();
  const text = new TextEncoder();
  const parts = ranges.map((range) => ({
    range,
    head: text.encode(
      `\r\n--${boundary}\r\ncontent-type: ${media.contentType}\r\ncontent-range: bytes ${range.start}-${range.end}/${media.size}\r\n\r\n`,
    ),
  }));
  const tail = text.encode(`\r\n--${boundary}--\r\n`);
  const length = parts.reduce(
    (sum, { range, head }) => sum + head.byteLength + range.end - range.start + 1,
    tail.byteLength,
  );
  const sized = new FixedLengthStream(length);
  const write = async (): Promise<void> => {
    for (const { range, head } of parts) {
      const writer = sized.writable.getWriter();
      await writer.write(head);
      writer.releaseLock();
      await (await media.body(range)).pipeTo(sized.writable, { preventClose: true });
    }
    const writer = sized.writable.getWriter();
    await writer.write(tail);
    await writer.close();
  };
  // Whatever breaks while it streams breaks the stream: the length was promised, so the reader sees it.
  write().catch((error: unknown) => sized.writable.abort(error).catch(() => {}));
  headers.set('content-type', `multipart/byteranges; boundary=${boundary}`);
  headers.set('content-length', String(length));
  return new Response(sized.readable, { status: 206, headers });
}

/** The object, or the refusal that it is not there. */
export function found(media: OpenMedia | null): OpenMedia {
  if (media === null) throw new ApiError(404, 'NOT_FOUND', 'there is no such file');
  return media;
}
