import type { ServerResponse } from 'node:http';
import { sendJson } from './answer.ts';
import type { StoredObject } from './object-store.ts';
import type { StorageError } from './storage-error.ts';

/** REST answers HTTP 400 for nearly everything; the real status stands in the body. */
export function refuse(response: ServerResponse, error: StorageError): void {
  const { status, title, message, code } = error;
  // What was not read of a body may be any length: the server closes instead of reading it.
  response.setHeader('connection', 'close');
  sendJson(response, status === 544 || status === 501 ? status : 400, {
    statusCode: String(status),
    error: title,
    message,
    code,
  });
}

/** An object as the listings tell it. */
export const rowJson = (object: StoredObject) => ({
  name: object.name,
  id: object.id,
  updated_at: object.updatedAt.toISOString(),
  created_at: object.createdAt.toISOString(),
  last_accessed_at: object.createdAt.toISOString(),
  metadata: {
    eTag: `"${object.etag}"`,
    size: object.size,
    mimetype: object.mimetype,
    cacheControl: object.cacheControl,
    lastModified: object.updatedAt.toISOString(),
    contentLength: object.size,
    httpStatusCode: 200,
  },
});

/** An object as `object/info` tells it: the only place where REST tells custom metadata. */
export const infoJson = (bucket: string, object: StoredObject) => ({
  id: object.id,
  name: object.name,
  version: object.version,
  bucket_id: bucket,
  size: object.size,
  content_type: object.mimetype,
  cache_control: object.cacheControl,
  etag: `"${object.etag}"`,
  metadata: object.userMetadata,
  last_modified: object.updatedAt.toISOString(),
  created_at: object.createdAt.toISOString(),
});
