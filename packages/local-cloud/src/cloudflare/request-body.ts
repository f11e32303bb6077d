import { ApiFailure } from './api-answer.ts';
import type { UploadedPart } from './api-answer.ts';

export interface RequestBody {
  readonly body: unknown;
  readonly parts: ReadonlyMap<string, UploadedPart>;
  /** The content type that the body really has. */
  readonly contentType: string | null;
}

const noParts: ReadonlyMap<string, UploadedPart> = new Map();

/**
 * Reads a body as its content type says. Malformed JSON stays text, which the contract then refuses in the
 * vendor's way. Throws `ApiFailure` for a multipart body that cannot be taken apart.
 */
export async function readRequestBody(raw: Buffer<ArrayBuffer>, contentType: string | undefined): Promise<RequestBody> {
  const type = contentType ?? null;
  if (raw.length === 0) return { body: undefined, parts: noParts, contentType: type };
  if (type?.startsWith('multipart/form-data')) return readMultipart(raw, type);
  const text = raw.toString('utf8');
  // wrangler posts the creation of a bucket as text/plain, and the vendor takes it.
  const json = type === null || type.startsWith('application/json') || /^\s*[{[]/.test(text);
  if (!json) return { body: text, parts: noParts, contentType: type };
  return { body: parseJson(text), parts: noParts, contentType: 'application/json' };
}

async function readMultipart(raw: Buffer<ArrayBuffer>, contentType: string): Promise<RequestBody> {
  const form = await new Response(raw, { headers: { 'content-type': contentType } }).formData().catch(() => {
    throw new ApiFailure(400, 10021, 'the multipart body could not be read');
  });
  const parts = new Map<string, UploadedPart>();
  const body: Record<string, unknown> = {};
  for (const [name, value] of form) {
    const part = typeof value === 'string' ? { type: 'text/plain', text: value } : await readFile(value);
    if (name === 'metadata') body['metadata'] = parseJson(part.text);
    else parts.set(name, part);
  }
  return { body, parts, contentType };
}

async function readFile(file: Blob): Promise<UploadedPart> {
  return { type: (file.type.split(';')[0] ?? '').trim().toLowerCase(), text: await file.text() };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
