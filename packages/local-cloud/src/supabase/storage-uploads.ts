import type { IncomingMessage, ServerResponse } from 'node:http';
import { sendJson } from './answer.ts';
import type { Who } from './caller-session.ts';
import type { ProjectFiles } from './object-files.ts';
import type { Bucket } from './object-store.ts';
import { StorageError } from './storage-error.ts';
import { fileSizeLimit, mustBeAllowedType, parseUserMetadata } from './storage-rules.ts';

interface Incoming {
  readonly body: AsyncIterable<Buffer>;
  readonly size: number | null;
  readonly mimetype: string;
  readonly cacheControl: string;
  readonly userMetadata: Record<string, unknown>;
}

async function collect(request: IncomingMessage, most: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += Buffer.from(chunk).byteLength;
    if (size > most) throw new StorageError('EntityTooLarge');
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks);
}

/** What a form's fields and boundaries may add to the file in it. */
const FORM_OVERHEAD_BYTES = 64 * 1024;

/** Browsers' uploads: small files in one form, which the platform's own parser takes apart. */
async function fromForm(request: IncomingMessage, type: string, most: number): Promise<Incoming> {
  const whole = await collect(request, most + FORM_OVERHEAD_BYTES);
  const form = await new Response(new Uint8Array(whole), { headers: { 'content-type': type } })
    .formData()
    .catch(() => null);
  const file = [...(form?.values() ?? [])].find((value) => typeof value !== 'string');
  if (form === null || file === undefined) throw new StorageError('InvalidRequest', 'No file provided');
  const bytes = Buffer.from(await file.arrayBuffer());
  if (bytes.byteLength > most) throw new StorageError('EntityTooLarge');
  const [seconds, metadata] = [form.get('cacheControl'), form.get('metadata')];
  return {
    body: (async function* () {
      yield bytes;
    })(),
    size: bytes.byteLength,
    mimetype: file.type === '' ? 'application/octet-stream' : file.type,
    cacheControl: typeof seconds === 'string' ? `max-age=${seconds}` : 'no-cache',
    userMetadata: typeof metadata === 'string' ? parseUserMetadata(metadata) : {},
  };
}

function fromBody(request: IncomingMessage, most: number): Incoming {
  const length = request.headers['content-length'];
  const metadata = request.headers['x-metadata'];
  if (Number(length ?? 0) > most) throw new StorageError('EntityTooLarge');
  return {
    body: request,
    size: length === undefined ? null : Number(length),
    mimetype: request.headers['content-type'] ?? 'application/octet-stream',
    cacheControl: request.headers['cache-control'] ?? 'no-cache',
    userMetadata:
      typeof metadata === 'string' ? parseUserMetadata(Buffer.from(metadata, 'base64').toString('utf8')) : {},
  };
}

/** Takes one object over REST and answers with its key and id. The answer tells no ETag. */
export async function takeUpload(
  files: ProjectFiles,
  request: IncomingMessage,
  response: ServerResponse,
  to: { bucket: Bucket; name: string; who: Who; owner: string | null; upsert: boolean; projectLimit: number },
): Promise<void> {
  const { bucket, name, who, owner, upsert } = to;
  const most = fileSizeLimit(bucket, to.projectLimit);
  await files.rows.mustBeWritable(who, bucket.id, name, upsert);
  const type = request.headers['content-type'] ?? '';
  const incoming = type.startsWith('multipart/form-data')
    ? await fromForm(request, type, most)
    : fromBody(request, most);
  mustBeAllowedType(bucket, incoming.mimetype);
  const { body, size, mimetype, cacheControl, userMetadata } = incoming;
  const meta = { mimetype, cacheControl, userMetadata, owner };
  const stored = await files.write(bucket.id, name, body, size, meta, upsert, most);
  sendJson(response, 200, { Key: `${bucket.id}/${name}`, Id: stored.id });
}
