import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress, createGunzip, createGzip } from 'node:zlib';
import { codingsOf } from './upload-payload.ts';

/** Cloudflare's edge compresses nothing that is shorter: https://developers.cloudflare.com/speed/optimization/content/compression/ */
const LEAST_COMPRESSED_BYTES = 48;
/** Of that page's list of content types, those that a media app has. */
const COMPRESSED_TYPES =
  /^(text\/(html|plain|css|javascript|xml|markdown|vtt|x-\w+)|application\/(json|javascript|xml|xhtml\+xml|rss\+xml|wasm|x-javascript|ld\+json|vnd\.api\+json)|image\/svg\+xml)\b/;

/** Query parameters that name headers of the answer: S3's GetObject. */
const OVERRIDES = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
];

/** The codings that the client takes. */
function accepted(headers: IncomingHttpHeaders): (coding: string) => boolean {
  const names = String(headers['accept-encoding'] ?? '')
    .split(',')
    .map((one) =>
      one
        .trim()
        .toLowerCase()
        .split(/\s*;\s*q=/),
    )
    .filter(([, quality = '1']) => Number(quality) > 0)
    .map(([name = '']) => name);
  return (coding) => names.includes(coding) || names.includes('*');
}

/**
 * Answers a GetObject or HeadObject as R2 does, where the simulator has given its own answer (status 200 or 206).
 *
 * - An object with `Content-Encoding: gzip` is sent as it is stored to who says `Accept-Encoding: gzip`, and
 *   decompressed to everybody else, without Content-Encoding and Content-Length, in HEAD too (the same for `br`):
 *   https://github.com/rclone/rclone/issues/8137, https://github.com/cloudflare/cloudflare-docs/pull/8491.
 * - One without, of a type that compresses well, comes compressed to who takes gzip, and HEAD tells no Content-Length:
 *   the same issue of rclone's (2024-10-24), https://github.com/async-aws/aws/issues/2077. ETags stay as they are.
 *
 * Ranges are sent as stored. What is labelled gzip and is not, breaks off when it would have to be decompressed. Both by
 * hand, as no document says.
 *
 * `sizeOf` asks how many bytes are stored; `counted` is called when the answer's bytes begin to flow.
 */
export async function answerObject(
  { request, query }: { readonly request: IncomingMessage; readonly query: URLSearchParams },
  answer: IncomingMessage,
  response: ServerResponse,
  { sizeOf, counted }: { readonly sizeOf: () => Promise<string | undefined>; readonly counted: () => void },
): Promise<void> {
  const { connection: _connection, 'keep-alive': _keepAlive, 'transfer-encoding': _transfer, ...rest } = answer.headers;
  const headers: OutgoingHttpHeaders = { ...rest };
  const isHead = request.method === 'HEAD';
  const codings = codingsOf(answer.headers['content-encoding']);
  const coding = codings.length === 1 ? codings[0] : undefined;
  const accepts = accepted(request.headers);
  const onTheWay: Transform[] = [];
  if (coding === 'gzip' || coding === 'br') {
    const decoder = (): Transform => (coding === 'gzip' ? createGunzip() : createBrotliDecompress());
    // The simulator codes once more what is coded already.
    onTheWay.push(decoder());
    if (answer.statusCode === 200 && !accepts(coding)) {
      delete headers['content-encoding'];
      delete headers['content-length'];
      onTheWay.push(decoder());
    } else headers['content-length'] ??= lengthOfRange(answer.headers) ?? (await sizeOf());
    headers['vary'] = 'Accept-Encoding';
  } else if (answer.statusCode === 200 && accepts('gzip') && compresses(headers)) {
    delete headers['content-length'];
    headers['content-encoding'] = 'gzip';
    headers['vary'] = 'Accept-Encoding';
    onTheWay.push(createGzip());
  }
  for (const name of OVERRIDES) headers[name] = query.get(`response-${name}`) ?? headers[name];
  response.writeHead(answer.statusCode ?? 502, withoutGaps(headers));
  counted();
  await pipeline([answer, ...(isHead ? [] : onTheWay), response]);
}

const withoutGaps = (headers: OutgoingHttpHeaders): OutgoingHttpHeaders =>
  Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined));

function compresses(headers: OutgoingHttpHeaders): boolean {
  const isCoded = headers['content-encoding'] !== undefined;
  const mayBeChanged = !/no-transform/.test(String(headers['cache-control'] ?? ''));
  const isLongEnough = Number(headers['content-length'] ?? 0) >= LEAST_COMPRESSED_BYTES;
  return !isCoded && mayBeChanged && isLongEnough && COMPRESSED_TYPES.test(String(headers['content-type'] ?? ''));
}

function lengthOfRange(headers: IncomingHttpHeaders): string | undefined {
  const match = /^bytes (\d+)-(\d+)\//.exec(headers['content-range'] ?? '');
  return match === null ? undefined : String(Number(match[2]) - Number(match[1]) + 1);
}
