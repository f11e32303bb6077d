import type { IncomingMessage } from 'node:http';
import { codingsOf } from './upload-payload.ts';
import { S3_PATH, type R2Action } from './r2-actions.ts';
import { storedKey } from './r2-key-names.ts';
import { S3Failure } from './s3-failure.ts';
import { encodePath, encodeQuery, signedHeaders, type S3Keys } from './s3-signing.ts';

/** https://developers.cloudflare.com/r2/platform/limits/ */
const MOST_KEY_BYTES = 1024;
/** Line ends, which the simulator's router has no route for. */
const UNROUTABLE = /[\n\r\u2028\u2029]/;

/** What is of this one connection or was judged here already: signature, token, checksums and frames. */
const LEFT_OUT =
  /^(connection|keep-alive|expect|host|transfer-encoding|accept-encoding|content-(length|encoding|md5)|authorization|date|x-amz-(date|content-sha256|security-token|trailer|decoded-content-length|sdk-checksum-algorithm|checksum-(crc32|crc32c|crc64nvme|sha1|sha256|mode|type)))$/;
/** Parameters that name keys, whole or in part. */
const KEYS_IN_QUERY = new Set(['prefix', 'start-after', 'marker', 'key-marker']);
/** Operations on an object that R2 has not, by the parameter that asks for them: the simulator takes some for a delete. */
const SUBRESOURCES: Readonly<Record<string, string>> = {
  tagging: 'ObjectTagging',
  acl: 'ObjectAcl',
  retention: 'ObjectRetention',
  'legal-hold': 'ObjectLegalHold',
  attributes: 'ObjectAttributes',
  torrent: 'ObjectTorrent',
  restore: 'RestoreObject',
  select: 'SelectObjectContent',
};

export interface Forwarded {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Record<string, string | string[]>;
}

/** The key of the path, as its client wrote it. @throws S3Failure for one that R2 does not take. */
export function keyOf(rawKey: string): string {
  let key;
  try {
    key = decodeURIComponent(rawKey);
  } catch {
    throw invalidName('is no UTF-8');
  }
  const bytes = Buffer.byteLength(storedKey(key));
  if (bytes > MOST_KEY_BYTES) throw invalidName(`has ${bytes} bytes, and ${MOST_KEY_BYTES} are the most`);
  // Ours alone, and by name: R2 takes them.
  if (UNROUTABLE.test(key)) throw invalidName('has a line end, which local-cloud cannot store');
  return key;
}

const invalidName = (why: string): S3Failure =>
  new S3Failure(400, 'InvalidObjectName', `The specified object name is not valid: it ${why}.`);

/** @throws S3Failure for what R2 has not, and what the simulator would take for something else. */
export function refuseUnknown({ action, rawKey }: R2Action, method: string, request: IncomingMessage, url: URL): void {
  if (rawKey === '') return;
  for (const name of url.searchParams.keys()) {
    const operation = SUBRESOURCES[name];
    if (operation !== undefined) throw new S3Failure(501, 'NotImplemented', `${method} ${operation} not implemented`);
  }
  if (action === 'POST') throw new S3Failure(501, 'NotImplemented', 'POST on an object not implemented');
  const type = request.headers['x-amz-checksum-type'];
  const algorithm = String(request.headers['x-amz-checksum-algorithm'] ?? '').toUpperCase();
  if (action !== 'CreateMultipartUpload' || type === undefined || algorithm === '') return;
  // R2's table of checksum types: https://developers.cloudflare.com/r2/api/s3/api/#checksum-types
  if ((type === 'FULL_OBJECT') === (algorithm === 'CRC64NVME')) return;
  throw new S3Failure(501, 'NotImplemented', `Checksum type ${type} for ${algorithm} not implemented`);
}

/** The same request for the simulator: under the key that R2 stores, without what was judged here, and signed anew. */
export function forwarded(
  request: IncomingMessage,
  url: URL,
  { bucket, key, action }: { readonly bucket: string; readonly key: string; readonly action: string },
  keys: S3Keys,
): Forwarded {
  const object = key === '' ? '' : `/${encodePath(storedKey(key))}`;
  const path = `${S3_PATH}${bucket === '' ? '' : `/${bucket}`}${object}`;
  const query = new URLSearchParams();
  for (const [name, value] of url.searchParams)
    if (!/^(x-amz-|x-id$|response-)/i.test(name))
      query.append(name, KEYS_IN_QUERY.has(name) ? storedKey(value) : value);
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(request.headers))
    if (value !== undefined && !LEFT_OUT.test(name)) headers[name] = value;
  // A presigned upload may have its checksum's algorithm in the query, and R2 has none for copies.
  if (action !== 'CopyObject') delete headers['x-amz-checksum-algorithm'];
  const codings = codingsOf(request.headers['content-encoding']).filter((coding) => coding !== 'aws-chunked');
  if (codings.length > 0) headers['content-encoding'] = codings.join(',');
  const source = request.headers['x-amz-copy-source'];
  if (source !== undefined) headers['x-amz-copy-source'] = copySource(String(source));
  const signed = signedHeaders(
    { method: request.method ?? 'GET', host: request.headers.host ?? 'r2', path, query: encodeQuery(query) },
    keys,
    'auto',
  );
  return { path, query, headers: { ...headers, ...signed } };
}

/** With the key that the source is stored under. @throws S3Failure */
function copySource(header: string): string {
  try {
    return encodePath(storedKey(decodeURIComponent(header)));
  } catch {
    throw new S3Failure(400, 'InvalidArgument', 'copy source object key');
  }
}
