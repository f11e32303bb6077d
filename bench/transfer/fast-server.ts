// A process of its own: S3's protocol over memory, without signatures. See README.md.
//   fast-server.ts --objects N --bytes N     serves N objects; without them, an empty store
//                  --manners JSON            waits or refuses before it answers, see admission.ts
// Prints its port, and takes `POST /empty` to forget what was stored.
import { createHash, type Hash } from 'node:crypto';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { createAdmission } from './admission.ts';
import { createContents, keyOf } from './sets.ts';

interface Stored {
  readonly key: string;
  readonly size: number;
  readonly etag: string;
  readonly modified: Date;
  readonly headers: Record<string, string>;
  pieces(start: number, end: number): readonly Buffer[];
}
interface Part {
  readonly size: number;
  readonly md5: Buffer;
  readonly chunks: readonly Buffer[];
}

const PAGE = 1000;
const stored = new Map<string, Stored>();
const uploads = new Map<string, { key: string; headers: Record<string, string>; parts: Map<number, Part> }>();
/** Keys in byte order; `null` when something was added since. */
let sorted: string[] | null = null;
let nextUpload = 1;

function seed(objects: number, bytes: number): void {
  const contents = createContents();
  const modified = new Date('2026-01-01T00:00:00Z');
  const headers = { 'content-type': 'audio/wav', 'cache-control': 'max-age=3600' };
  for (let index = 0; index < objects; index++) {
    const pieces = (start: number, end: number): readonly Buffer[] => contents.pieces(index, start, end);
    const key = keyOf(index);
    stored.set(key, { key, size: bytes, etag: contents.etag(index, bytes), modified, headers, pieces });
  }
}

function keep(
  key: string,
  size: number,
  etag: string,
  headers: Record<string, string>,
  chunks: readonly Buffer[],
): void {
  const pieces = (start: number, end: number): Buffer[] => {
    const all: Buffer[] = [];
    let at = 0;
    for (const chunk of chunks) {
      const [from, to] = [Math.max(start, at), Math.min(end, at + chunk.byteLength)];
      if (from < to) all.push(chunk.subarray(from - at, to - at));
      at += chunk.byteLength;
    }
    return all;
  };
  if (!stored.has(key)) sorted = null;
  stored.set(key, { key, size, etag, modified: new Date(), headers, pieces });
}

function metaOf(request: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers))
    if (name === 'content-type' || name === 'cache-control' || name.startsWith('x-amz-meta-'))
      headers[name] = String(value);
  return headers;
}

async function receive(request: IncomingMessage): Promise<Part> {
  const md5: Hash = createHash('md5');
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) throw new TypeError('a request without an encoding gives buffers');
    md5.update(chunk);
    chunks.push(chunk);
    size += chunk.byteLength;
  }
  return { size, md5: md5.digest(), chunks };
}

function answer(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>> = {},
  body = '',
): void {
  response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers }).end(body);
}

/** Refuses bytes that are not those that Content-MD5 names, as S3 does. */
function refused(request: IncomingMessage, response: ServerResponse, { md5 }: Part): boolean {
  const told = request.headers['content-md5'];
  if (told === undefined || told === md5.toString('base64')) return false;
  answer(response, 400, {}, '<Error><Code>BadDigest</Code></Error>');
  return true;
}

async function put(request: IncomingMessage, response: ServerResponse, key: string, query: URLSearchParams) {
  const part = await receive(request);
  if (refused(request, response, part)) return;
  const etag = part.md5.toString('hex');
  const uploadId = query.get('uploadId');
  if (uploadId === null) keep(key, part.size, etag, metaOf(request), part.chunks);
  else uploads.get(uploadId)?.parts.set(Number(query.get('partNumber')), part);
  answer(response, 200, { etag: `"${etag}"` });
}

async function post(request: IncomingMessage, response: ServerResponse, key: string, query: URLSearchParams) {
  if (query.has('uploads')) {
    const id = String(nextUpload++);
    uploads.set(id, { key, headers: metaOf(request), parts: new Map() });
    const body = `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`;
    return answer(response, 200, {}, body);
  }
  const id = query.get('uploadId') ?? '';
  const upload = uploads.get(id);
  await receive(request);
  if (upload === undefined) return answer(response, 404, {}, '<Error><Code>NoSuchUpload</Code></Error>');
  const parts = [...upload.parts].toSorted(([a], [b]) => a - b).map(([, part]) => part);
  const md5 = createHash('md5').update(Buffer.concat(parts.map((part) => part.md5)));
  const etag = `${md5.digest('hex')}-${parts.length}`;
  const size = parts.reduce((sum, part) => sum + part.size, 0);
  keep(
    key,
    size,
    etag,
    upload.headers,
    parts.flatMap((part) => part.chunks),
  );
  uploads.delete(id);
  const body = `<CompleteMultipartUploadResult><ETag>"${etag}"</ETag></CompleteMultipartUploadResult>`;
  return answer(response, 200, {}, body);
}

function get(request: IncomingMessage, response: ServerResponse, key: string): void {
  const object = stored.get(key);
  if (object === undefined) return answer(response, 404, {}, '<Error><Code>NoSuchKey</Code></Error>');
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  const start = Number(range?.[1] ?? 0);
  const end = Math.min(object.size, range === null ? object.size : Number(range[2]) + 1);
  response.writeHead(range === null ? 200 : 206, {
    ...object.headers,
    etag: `"${object.etag}"`,
    'last-modified': object.modified.toUTCString(),
    'content-length': end - start,
    ...(range === null ? {} : { 'content-range': `bytes ${start}-${end - 1}/${object.size}` }),
  });
  if (request.method === 'HEAD') return void response.end();
  const pieces = object.pieces(start, end);
  let at = 0;
  const write = (): void => {
    while (at < pieces.length - 1) if (!response.write(pieces[at++])) return void response.once('drain', write);
    response.end(pieces[at]);
  };
  write();
}

function list(response: ServerResponse, query: URLSearchParams): void {
  sorted ??= [...stored.keys()].toSorted();
  const after = query.get('continuation-token') ?? query.get('start-after') ?? query.get('marker') ?? '';
  const prefix = query.get('prefix') ?? '';
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? '') > after) high = middle;
    else low = middle + 1;
  }
  const keys: string[] = [];
  for (let at = low; at < sorted.length && keys.length <= PAGE; at++) {
    const key = sorted[at] ?? '';
    if (key.startsWith(prefix)) keys.push(key);
  }
  const more = keys.length > PAGE;
  const page = keys.slice(0, PAGE);
  const rows = page.map((key) => {
    const { size, etag, modified } = stored.get(key) ?? { size: 0, etag: '', modified: new Date(0) };
    return `<Contents><Key>${key}</Key><LastModified>${modified.toISOString()}</LastModified><ETag>&quot;${etag}&quot;</ETag><Size>${size}</Size><StorageClass>STANDARD</StorageClass></Contents>`;
  });
  const [last, token] = [page.at(-1), query.get('list-type') === '2' ? 'NextContinuationToken' : 'NextMarker'];
  const next = more ? `<${token}>${last}</${token}>` : '';
  const body = `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>media</Name><KeyCount>${page.length}</KeyCount><MaxKeys>${PAGE}</MaxKeys><IsTruncated>${more}</IsTruncated>${next}${rows.join('')}</ListBucketResult>`;
  answer(response, 200, { 'content-type': 'application/xml' }, body);
}

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [path = '/', search = ''] = (request.url ?? '/').split('?');
  const query = new URLSearchParams(search);
  const key = decodeURIComponent(path.replace(/^\/media\/?/, ''));
  const { method } = request;
  if (method === 'POST' && path === '/empty') {
    stored.clear();
    sorted = null;
    return answer(response, 204);
  }
  const refusal = await admit(method ?? '');
  if (refusal !== null) return answer(response, 503, refusal.headers, refusal.body);
  if (key === '' && method === 'GET' && !query.has('location') && !query.has('uploads')) return list(response, query);
  if (key === '' && query.has('uploads')) return answer(response, 200, {}, '<ListMultipartUploadsResult/>');
  if (key === '') return answer(response, 200);
  if (method === 'PUT') return put(request, response, key, query);
  if (method === 'POST') return post(request, response, key, query);
  if (method === 'DELETE') return void (stored.delete(key), (sorted = null), answer(response, 204));
  return get(request, response, key);
}

const { values } = parseArgs({
  options: {
    objects: { type: 'string', default: '0' },
    bytes: { type: 'string', default: '0' },
    manners: { type: 'string', default: '{}' },
  },
});
const admit = createAdmission(JSON.parse(values.manners));
seed(Number(values.objects), Number(values.bytes));
const server = http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  handle(request, response).catch((error: unknown) => {
    // Whoever was stopped midway hung up; that is told where it was stopped.
    if (!request.socket.destroyed) console.error(error);
    response.destroy();
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address() as AddressInfo;
  console.log(address.port);
});
// Whoever started it holds this pipe open; it ends with them.
process.stdin.resume().on('end', () => process.exit(0));
