import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { sendJson } from './answer.ts';
import type { Tokens } from './tokens.ts';

const PATH = '/storage/v1/upload/resumable';
const TUS = { 'tus-resumable': '1.0.0' };

/** Reads one value of TUS's `Upload-Metadata`: pairs of a name and base64, divided by commas. */
function metadataOf(request: IncomingMessage, name: string): string | null {
  const pairs = String(request.headers['upload-metadata'] ?? '').split(',');
  const found = pairs.map((pair) => pair.trim().split(' ')).find(([key]) => key === name);
  return found?.[1] === undefined ? null : Buffer.from(found[1], 'base64').toString();
}

/**
 * The beginning and the end of a resumable upload (TUS 1.0, supabase/storage 1.11.2): it is judged by the length that it
 * announces, 413 in plain text above the limit. Bytes are refused by name: no client here sends any that way.
 * @param limitOf the largest object of a bucket, bytes; `null` where there is no such bucket
 */
export function createResumableUploads(tokens: Tokens, limitOf: (bucket: string) => Promise<number | null>) {
  const begun = new Set<string>();
  return async (request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> => {
    const refuse = (status: number, text: string): void => void response.writeHead(status, TUS).end(`${text}\n`);
    if ((await tokens.caller(request))?.role !== 'service_role')
      return refuse(403, 'new row violates row-level security policy');
    if (request.headers['tus-resumable'] !== '1.0.0') return refuse(412, 'Tus-Resumable Required');
    const id = url.pathname.slice(PATH.length + 1);
    if (request.method === 'DELETE')
      return begun.delete(id)
        ? void response.writeHead(204, TUS).end()
        : refuse(404, 'The file for this url was not found');
    if (request.method !== 'POST' || id !== '')
      return sendJson(response, 501, {
        message: 'the local cloud begins and ends resumable uploads, and takes no bytes',
      });
    const [bucket, key] = [metadataOf(request, 'bucketName'), metadataOf(request, 'objectName')];
    const length = request.headers['upload-length'];
    if (bucket === null || key === null) return refuse(400, 'Metadata header is required');
    if (typeof length !== 'string' || !/^\d+$/.test(length))
      return refuse(400, 'Upload-Length or Upload-Defer-Length header required');
    const limit = await limitOf(bucket);
    if (limit === null) return refuse(404, 'Bucket not found');
    if (Number(length) > limit) return refuse(413, 'Maximum size exceeded');
    const name = Buffer.from(`${bucket}/${key}/${randomUUID()}`).toString('base64url');
    begun.add(name);
    response.writeHead(201, { ...TUS, location: `${url.origin}${PATH}/${name}` }).end();
  };
}
