import { hash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { TooLong, type WholeAnswer } from '../http/whole-answer.ts';
import { isNotFound, isPreconditionFailed, malformed, ProviderError } from '../provider-error.ts';
import { listingOf } from '../listing.ts';
import type { ObjectHead, ObjectMeta, ObjectStore } from '../providers.ts';
import { createRequestRate } from '../request-rate.ts';
import { retrying } from '../retry.ts';
import { ObjectChanged, type StoreAbilities } from '../store-abilities.ts';
import {
  announcedSize,
  headerText,
  metaHeaders,
  opaqueEtag,
  readHead,
  readMeta,
  unquote,
  type Headers,
} from './answers.ts';
import { parseListing, type KeyEncoding, type ListingPage } from './listing-page.ts';
import { createUntoldEncoding } from './untold-encoding.ts';
import { uploadInParts } from './multipart-upload.ts';
import { createPartNames } from './part-names.ts';
import { createPartUploads } from './part-uploads.ts';
import { createServerSideCopy, type CopyLimits } from './server-side-copy.ts';
import { rated } from './rated-requests.ts';
import { createSignedRequests, type BucketAddress } from './signed-requests.ts';

export interface ObjectStoreOptions extends BucketAddress {
  /** Objects above this size, bytes, go up in parts of it. */
  readonly partSizeBytes: number;
  /** Requests a second at most, asked for each time since it may change; `null` for no limit. */
  readonly mostRequests?: () => number | null;
  /** Of copies that the store makes by itself; what S3 and R2 take unless told. */
  readonly copyLimits?: CopyLimits;
  /** The server may write URL-encoded keys without saying so; found out by asking for one of them in both forms. */
  readonly mayEncodeUntold?: boolean;
  /** Whether nothing can lie under such a key. Asked when the store refuses to look there; S3's rule when absent. */
  readonly cannotHold?: (key: string) => boolean;
  /** The store is R2: keys that differ by Unicode normalisation alone are one object there. */
  readonly normalizesKeys?: boolean;
}

const PAGE = '1000';
const [OK, PARTIAL_CONTENT] = [200, 206];
/** Of S3's keys, bytes in UTF-8. */
const LONGEST_KEY = 1024;
const isTooLong = (key: string): boolean => Buffer.byteLength(key) > LONGEST_KEY;

/**
 * One bucket behind S3's protocol: Supabase Storage's as well as R2's. Methods throw `ProviderError`. What may be
 * repeated is: everything but a `put` whose body is a stream. A body that `get` hands out must be read or destroyed.
 */
export function createObjectStore(
  options: ObjectStoreOptions,
): ObjectStore & StoreAbilities & { close(): Promise<void> } {
  const { label, bucket, partSizeBytes, pace = 1, mayEncodeUntold = false, cannotHold = isTooLong } = options;
  const requests = rated(createSignedRequests(options), createRequestRate(options.mostRequests));
  const again = <Answer>(call: (attempt: number) => Promise<Answer>) => retrying(call, undefined, pace);
  const partNames = createPartNames();
  const uploads = createPartUploads({ requests, again, head, partNames, pace }, partSizeBytes);
  const untold = createUntoldEncoding(async (key) => (await head(key)) !== null);
  const copies = createServerSideCopy(options, { requests, again, uploads, partNames, head }, options.copyLimits);

  async function putStream(key: string, body: Readable, size: number, meta: ObjectMeta): Promise<{ etag: string }> {
    const headers = { ...metaHeaders(meta, key), 'content-length': String(size) };
    const response = await requests.send('PUT', key, { headers, body });
    // The ETag says that it is stored; what the body has to say besides, or that it broke off, changes nothing.
    await response.body.dump().catch(() => null);
    return { etag: unquote(headerText(response.headers['etag']) ?? '') };
  }

  function putBytes(key: string, body: Uint8Array, meta: ObjectMeta, md5: string): Promise<{ etag: string }> {
    const headers: Record<string, string> = metaHeaders(meta, key);
    headers['content-length'] = String(body.byteLength);
    headers['content-md5'] = Buffer.from(md5, 'hex').toString('base64');
    return again(async (attempt) => {
      // An attempt whose answer was lost may have stored it.
      const stored = attempt > 1 ? await head(key) : null;
      if (stored?.etag === md5) return { etag: md5 };
      const answer = await requests.call('PUT', key, { headers, body });
      return { etag: unquote(headerText(answer.headers['etag']) ?? '') };
    });
  }

  async function head(key: string): Promise<(ObjectHead & { meta: ObjectMeta }) | null> {
    const stored = await again(() => orNothing(requests.call('HEAD', key))).catch((error: unknown) => {
      // Servers refuse to look for such a key in many ways, none of which says why: a HEAD's answer has no body.
      if (error instanceof ProviderError && error.reached && cannotHold(key)) return null;
      throw error;
    });
    if (stored === null) return null;
    if (stored.status !== OK) throw refuse(`HEAD ${bucket}/${key}`, stored.status, 'the answer describes no object');
    // Compressed on its way, so that nobody can say how long it is.
    const answer = announcesSize(stored)
      ? stored
      : ((await again(() => orNothing(requests.call('HEAD', key, { coding: 'identity' })))) ?? stored);
    const { headers } = answer;
    return { ...readHead(key, headers, announcedSize(headers) ?? 0), meta: readMeta(headers) };
  }

  function listPage(prefix: string, after: string, token: string | null): Promise<ListingPage> {
    const query: Record<string, string> = { 'list-type': '2', 'max-keys': PAGE, 'encoding-type': 'url' };
    if (prefix !== '') query['prefix'] = prefix;
    if (token !== null) query['continuation-token'] = token;
    else if (after !== '') query['start-after'] = after;
    return again(async () => {
      const answer = await requests.call('GET', '', { query });
      const read = (encoding: KeyEncoding): ListingPage =>
        requests.readAnswer('ListObjectsV2', answer, (body) => parseListing(body, encoding));
      const assumed = untold.encoding;
      const page = read(assumed);
      if (mayEncodeUntold) await untold.settle(page.ambiguous);
      return untold.encoding === assumed ? page : read(untold.encoding);
    });
  }

  async function* listPages(prefix: string, after: string): AsyncGenerator<readonly ObjectHead[]> {
    let page = await listPage(prefix, after, null);
    for (;;) {
      const { objects, next } = page;
      // The next page is on its way while this one is worked through; who stops here does not hear its failure.
      const coming = next === null ? null : listPage(prefix, after, next);
      coming?.catch(() => {});
      yield objects;
      if (coming === null) return;
      page = await coming;
      if (page.next === next) throw refuse('ListObjectsV2', 200, 'the listing goes in circles');
    }
  }

  const refuse = (operation: string, status: number, message: string): ProviderError =>
    malformed({ provider: label, operation, secrets: [] }, status, message);

  return {
    label,
    ...uploads,
    ...copies,
    onThrottled: requests.onThrottled,
    seekable: true,
    async bucketExists() {
      try {
        await again(() => requests.call('HEAD', ''));
        return true;
      } catch (error) {
        if (isNotFound(error)) return false;
        throw error;
      }
    },
    normalizesKeys: options.normalizesKeys ?? false,
    list: (prefix = '', after = '') => listingOf(() => listPages(prefix, after)),
    head,
    async get(key, range) {
      const headers: Record<string, string> = range === undefined ? {} : { range: `bytes=${range.start}-${range.end}` };
      let response = await again(() => orNothing(requests.send('GET', key, { headers })));
      if (response !== null && !announcesSize(response) && isCoded(response)) {
        await response.body.dump();
        response = await again(() => orNothing(requests.send('GET', key, { headers, coding: 'identity' })));
      }
      if (response === null) return null;
      const size = announcedSize(response.headers);
      const isHeeded = response.statusCode === (range === undefined ? OK : PARTIAL_CONTENT);
      if (size === null || !isHeeded) {
        await response.body.dump();
        const unheeded = range === undefined ? 'the answer is not the object' : 'the range was not heeded';
        const wrong = isHeeded ? 'the length of the body is not announced' : unheeded;
        throw refuse(`GET ${bucket}/${key}`, response.statusCode, wrong);
      }
      return { ...readHead(key, response.headers, size), meta: readMeta(response.headers), body: response.body };
    },
    async read(key, into, { offset, size, etag }) {
      const whole = offset === 0 && into.byteLength === size;
      const changed = (): ObjectChanged => new ObjectChanged(`${key} changed in ${label} while it was read`);
      const headers: Record<string, string> = {};
      if (!whole) headers['range'] = `bytes=${offset}-${offset + into.byteLength - 1}`;
      if (etag !== '' && !whole) headers['if-match'] = `"${etag}"`;
      const ask = async (): Promise<WholeAnswer | null> => {
        try {
          const answer = await orNothing(requests.call('GET', key, { headers, into }));
          if (answer === null || announcesSize(answer) || !isCoded(answer)) return answer;
        } catch (error) {
          // What is compressed on its way may be longer than what is stored.
          if (!(error instanceof TooLong && whole)) throw error;
        }
        return orNothing(requests.call('GET', key, { headers, into, coding: 'identity' }));
      };
      return again(async () => {
        try {
          const answer = await ask();
          if (answer === null) return null;
          if (answer.status !== (whole ? OK : PARTIAL_CONTENT))
            throw refuse(
              `GET ${bucket}/${key}`,
              answer.status,
              whole ? 'the answer is not the object' : 'the range was not heeded',
            );
          const found = unquote(headerText(answer.headers['etag']) ?? '');
          if (answer.body.byteLength !== into.byteLength || (etag !== '' && found !== etag)) throw changed();
          return { meta: readMeta(answer.headers), ...opaqueEtag(answer.headers) };
        } catch (error) {
          if (error instanceof TooLong || isPreconditionFailed(error)) throw changed();
          throw error;
        }
      });
    },
    async put(key, body, size, meta, md5) {
      const partSize = uploads.partSizeFor(size);
      if (partSize !== null) return uploadInParts(uploads, key, body, size, meta, partSize);
      return body instanceof Uint8Array
        ? putBytes(key, body, meta, md5 ?? hash('md5', body))
        : putStream(key, body, size, meta);
    },
    async delete(key) {
      await again(() => orNothing(requests.call('DELETE', key)));
    },
    close: () => requests.close(),
  };
}

/**
 * Whether an answer says how long its body is. R2 compresses types that compress well for whoever takes gzip, and then
 * does not (rclone#8137): the object has to be asked for again without.
 */
const announcesSize = ({ headers }: { readonly headers: Headers }): boolean => announcedSize(headers) !== null;
const isCoded = ({ headers }: { readonly headers: Headers }): boolean => headers['content-encoding'] !== undefined;

/** `null` where the object is not there. A bucket that is not there is an error. */
async function orNothing<Answer>(asked: Promise<Answer>): Promise<Answer | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ProviderError && error.status === 404 && error.code !== 'NoSuchBucket') return null;
    throw error;
  }
}
