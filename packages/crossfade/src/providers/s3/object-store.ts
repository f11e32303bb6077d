import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { malformed } from '../http/exchange.ts';
import { ProviderError } from '../provider-error.ts';
import type { ObjectHead, ObjectMeta, ObjectStore } from '../providers.ts';
import { retrying } from '../retry.ts';
import { announcedSize, headerText, metaHeaders, parseListing, readHead, readMeta, unquote } from './answers.ts';
import { partSizeFor, uploadInParts } from './multipart-upload.ts';
import { createSignedRequests, type BucketAddress } from './signed-requests.ts';

export interface ObjectStoreOptions extends BucketAddress {
  /** Objects above this size, bytes, go up in parts of it. */
  readonly partSizeBytes: number;
}

const PAGE = '1000';
const PARTIAL_CONTENT = 206;

/**
 * One bucket behind S3's protocol: Supabase Storage's as well as R2's. Methods throw `ProviderError`. What may be
 * repeated is: everything but a `put` whose body is a stream. A body that `get` hands out must be read or destroyed.
 */
export function createObjectStore(options: ObjectStoreOptions): ObjectStore & { close(): Promise<void> } {
  const { label, bucket, partSizeBytes, pace = 1 } = options;
  const requests = createSignedRequests(options);
  const again = <Answer>(call: (attempt: number) => Promise<Answer>) => retrying(call, undefined, pace);

  async function putWhole(
    key: string,
    body: Readable | Uint8Array,
    size: number,
    meta: ObjectMeta,
  ): Promise<{ etag: string }> {
    const headers: Record<string, string> = { ...metaHeaders(meta), 'content-length': String(size) };
    const bytes = body instanceof Uint8Array;
    if (bytes) headers['content-md5'] = createHash('md5').update(body).digest('base64');
    const send = async (): Promise<{ etag: string }> => {
      const response = await requests.send('PUT', key, { headers, body });
      // The ETag says that it is stored; what the body has to say besides, or that it broke off, changes nothing.
      await response.body.dump().catch(() => null);
      return { etag: unquote(headerText(response.headers['etag']) ?? '') };
    };
    if (!bytes) return send();
    const etag = createHash('md5').update(body).digest('hex');
    return again(async (attempt) => {
      // An attempt whose answer was lost may have stored it.
      const stored = attempt > 1 ? await head(key) : null;
      return stored?.etag === etag ? { etag } : send();
    });
  }

  async function head(key: string): Promise<(ObjectHead & { meta: ObjectMeta }) | null> {
    const response = await again(() => orNothing(requests.send('HEAD', key)));
    if (response === null) return null;
    await response.body.dump();
    const { headers } = response;
    return { ...readHead(key, headers, announcedSize(headers) ?? 0), meta: readMeta(headers) };
  }

  return {
    label,
    async *list(prefix = '', after = '') {
      let token: string | null = null;
      do {
        const query: Record<string, string> = { 'list-type': '2', 'max-keys': PAGE, 'encoding-type': 'url' };
        if (prefix !== '') query['prefix'] = prefix;
        if (token !== null) query['continuation-token'] = token;
        else if (after !== '') query['start-after'] = after;
        const { objects, next } = await again(async () =>
          requests.readAnswer('ListObjectsV2', await requests.send('GET', '', { query }), parseListing),
        );
        if (next !== null && next === token) {
          throw malformed(
            { provider: label, operation: 'ListObjectsV2', secrets: [] },
            200,
            'the listing goes in circles',
          );
        }
        yield* objects;
        token = next;
      } while (token !== null);
    },
    head,
    async get(key, range) {
      const headers: Record<string, string> = range === undefined ? {} : { range: `bytes=${range.start}-${range.end}` };
      const response = await again(() => orNothing(requests.send('GET', key, { headers })));
      if (response === null) return null;
      const size = announcedSize(response.headers);
      if (size === null || (range !== undefined && response.statusCode !== PARTIAL_CONTENT)) {
        await response.body.dump();
        const wrong = size === null ? 'the length of the body is not announced' : 'the range was not heeded';
        throw malformed(
          { provider: label, operation: `GET ${bucket}/${key}`, secrets: [] },
          response.statusCode,
          wrong,
        );
      }
      return { ...readHead(key, response.headers, size), meta: readMeta(response.headers), body: response.body };
    },
    put(key, body, size, meta) {
      if (size <= partSizeBytes) return putWhole(key, body, size, meta);
      return uploadInParts(requests, key, body, size, meta, partSizeFor(size, partSizeBytes));
    },
    async delete(key) {
      const response = await again(() => orNothing(requests.send('DELETE', key)));
      await response?.body.dump();
    },
    close: () => requests.close(),
  };
}

/** `null` where the object is not there. A bucket that is not there is an error. */
async function orNothing<Answer>(asked: Promise<Answer>): Promise<Answer | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ProviderError && error.status === 404 && error.code !== 'NoSuchBucket') return null;
    throw error;
  }
}
