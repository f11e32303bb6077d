import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { ObjectFiles, StoredObject } from './object-store.ts';

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

/** A whole JSON body, at most 1 MiB; `undefined` when it is none. */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk);
    size += bytes.byteLength;
    if (size > 1024 * 1024) return undefined;
    chunks.push(bytes);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    return undefined;
  }
}

function parseRange(header: string | undefined, size: number): { start: number; end: number } | 'beyond' | null {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) return null;
  if (first === '')
    return size === 0 || Number(last) === 0 ? 'beyond' : { start: Math.max(0, size - Number(last)), end: size - 1 };
  if (Number(first) >= size) return 'beyond';
  return { start: Number(first), end: last === '' ? size - 1 : Math.min(Number(last), size - 1) };
}

/** Custom metadata as S3 headers; what no header can hold is only counted (`toAwsMetadataHeaders` of supabase/storage). */
function metadataHeaders(userMetadata: StoredObject['userMetadata']): Record<string, string> {
  const headers: Record<string, string> = {};
  let missing = 0;
  for (const [name, value] of Object.entries(userMetadata)) {
    if (typeof value === 'string' && value !== '' && HEADER_VALUE.test(value) && HEADER_NAME.test(name))
      headers[`x-amz-meta-${name.toLowerCase()}`] = value;
    else missing++;
  }
  if (missing > 0) headers['x-amz-missing-meta'] = String(missing);
  return headers;
}
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i;
const HEADER_VALUE = /^[\t\x20-\x7e]*$/;

/** Whole seconds, as HTTP dates have them. */
const toSeconds = (date: Date): number => Math.floor(date.getTime() / 1000);

function isUnchanged({ headers }: IncomingMessage, object: StoredObject): boolean {
  const { 'if-none-match': tags, 'if-modified-since': since } = headers;
  if (tags !== undefined) return tags === `"${object.etag}"`;
  const date = new Date(since ?? NaN);
  return !Number.isNaN(date.getTime()) && toSeconds(object.updatedAt) <= toSeconds(date);
}

export interface SendRules {
  /** Whether the answer tells custom metadata: over S3 it does, over REST it does not. */
  readonly metadata: boolean;
  /** Says that the range begins behind the end. */
  beyond(): void;
}

/** Sends an object, whole or in a range. `If-None-Match` counts, `If-Match` does not (as measured). */
export async function sendObject(
  request: IncomingMessage,
  response: ServerResponse,
  files: Pick<ObjectFiles, 'read'>,
  object: StoredObject,
  rules: SendRules,
): Promise<void> {
  const headers: Record<string, string | number> = {
    etag: `"${object.etag}"`,
    'content-type': object.mimetype ?? 'application/octet-stream',
    'cache-control': object.cacheControl ?? 'no-cache',
    'last-modified': object.updatedAt.toUTCString(),
    'accept-ranges': 'bytes',
    'access-control-allow-origin': '*',
    ...(rules.metadata ? metadataHeaders(object.userMetadata) : {}),
  };
  if (isUnchanged(request, object)) {
    response.writeHead(304, headers).end();
    return;
  }
  const range = parseRange(request.headers.range, object.size);
  if (range === 'beyond') return rules.beyond();
  if (range !== null) headers['content-range'] = `bytes ${range.start}-${range.end}/${object.size}`;
  headers['content-length'] = range === null ? object.size : range.end - range.start + 1;
  response.writeHead(range === null ? 200 : 206, headers);
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  // A client that goes away ends the pipe; that is its own affair.
  await pipeline(files.read(object, range), response).catch(() => response.destroy());
}
