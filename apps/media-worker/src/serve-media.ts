import { ApiError } from './api-error.ts';
import { parseRanges, singleRange, type ByteRange } from './byte-range.ts';
import { cacheControl, etagFor } from './cache-policy.ts';
import { isConditional, isDateStrong, judgePreconditions, rangeStillFits } from './conditional.ts';
import { attachmentNamed } from './content-disposition.ts';
import { streamOf, type OpenMedia, type Wanted } from './media-store.ts';

/** What a GET or HEAD asks for, as far as its headers tell. They are read once: each look into them has its price. */
export interface Asked {
  readonly head: boolean;
  readonly conditional: boolean;
  readonly range: string | null;
  /** What will be read: conditions may make all bytes needless. */
  readonly wanted: Wanted;
}

export function askedBy(request: Request): Asked {
  const head = request.method === 'HEAD';
  const conditional = isConditional(request.headers);
  // RFC 9110 §14.2: a Range counts for GET only.
  const range = head ? null : request.headers.get('range');
  const bytes = range === null ? 'all' : (singleRange(range) ?? 'head');
  return { head, conditional, range, wanted: head || conditional ? 'head' : bytes };
}

/** Answers a GET or HEAD for an object: conditions first, then the ranges, then the bytes, streamed. */
export async function serveMedia(
  request: Request,
  asked: Asked,
  key: string,
  media: OpenMedia,
  options: { downloadAs?: string; headers?: Readonly<Record<string, string>> } = {},
): Promise<Response> {
  const etag = etagFor(key, media.etag);
  // A plain record: a Headers of our own would be copied once more, name by name.
  const headers: Record<string, string> = {
    ...options.headers,
    etag,
    'cache-control': cacheControl(key),
    'accept-ranges': 'bytes',
    'x-audafact-source': media.source,
  };
  if (isDateStrong(etag, media.modified)) headers['last-modified'] = media.modified.toUTCString();
  const precondition = asked.conditional ? judgePreconditions(request.headers, etag, media.modified) : 'go on';
  if (precondition === 'not modified') return new Response(null, { status: 304, headers });
  if (precondition === 'failed')
    return Response.json(
      { error: { code: 'PRECONDITION_FAILED', message: 'the object is another by now' } },
      { status: 412, headers },
    );
  headers['content-type'] = media.contentType;
  const { contentEncoding, contentLanguage } = media;
  if (contentEncoding !== undefined) headers['content-encoding'] = contentEncoding;
  if (contentLanguage !== undefined) headers['content-language'] = contentLanguage;
  // What users upload must never run as a page of the media domain.
  headers['x-content-type-options'] = 'nosniff';
  if (options.downloadAs !== undefined) headers['content-disposition'] = attachmentNamed(options.downloadAs);
  const fits = !asked.conditional || rangeStillFits(request.headers, etag, media.modified);
  const ranges = asked.range === null || !fits ? null : parseRanges(asked.range, media.size);
  // The coding would be said of the multipart as a whole, which is not coded: then the object comes whole (§14.2).
  const several = ranges !== null && ranges.length > 1;
  if (several && contentEncoding === undefined) return severalParts(media, ranges, headers);
  const range = several ? null : (ranges?.[0] ?? null);
  const length = range === null ? media.size : range.end - range.start + 1;
  if (range !== null) headers['content-range'] = `bytes ${range.start}-${range.end}/${media.size}`;
  const status = range === null ? 200 : 206;
  if (asked.head || length === 0) {
    headers['content-length'] = String(length);
    return new Response(null, { status, headers });
  }
  const body = await media.body(range);
  // R2's own stream knows its length, which becomes the Content-Length, and passes through without being touched.
  const sized = body instanceof Uint8Array || media.source === 'r2' ? body : fixed(body, length);
  // What was stored compressed would be compressed once more.
  return new Response(
    sized,
    contentEncoding === undefined ? { status, headers } : { status, headers, encodeBody: 'manual' },
  );
}

/** The stream with its length told, so that the answer has a Content-Length. */
function fixed(body: ReadableStream, length: number): ReadableStream {
  const sized = new FixedLengthStream(length);
  // A reader that goes away ends the pipe; that is its own affair.
  body.pipeTo(sized.writable).catch(() => {});
  return sized.readable;
}

/** RFC 9110 §14.6: several ranges in one answer, each with its own header, one opened after the other. */
function severalParts(media: OpenMedia, ranges: readonly ByteRange[], headers: Record<string, string>): Response {
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
      await streamOf(await media.body(range)).pipeTo(sized.writable, { preventClose: true });
    }
    const writer = sized.writable.getWriter();
    await writer.write(tail);
    await writer.close();
  };
  // Whatever breaks while it streams breaks the stream: the length was promised, so the reader sees it.
  write().catch((error: unknown) => sized.writable.abort(error).catch(() => {}));
  headers['content-type'] = `multipart/byteranges; boundary=${boundary}`;
  headers['content-length'] = String(length);
  return new Response(sized.readable, { status: 206, headers });
}

/** The object, or the refusal that it is not there. */
export function found(media: OpenMedia | null): OpenMedia {
  if (media === null) throw new ApiError(404, 'NOT_FOUND', 'there is no such file');
  return media;
}
