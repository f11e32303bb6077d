import { apiRoot } from './api-contract.ts';
import { ApiFailure, ok, type ApiAnswer } from './api-answer.ts';
import type { ApiContext } from './api-context.ts';
import { send, type S3Bucket } from './s3-client.ts';
import type { S3Keys } from './s3-signing.ts';

const ROUTE = new RegExp(`^${apiRoot}/accounts/([^/]+)/r2/buckets/([^/]+)/objects/(.+)$`);
/** https://developers.cloudflare.com/r2/objects/upload-objects/: larger ones go over S3. */
const MOST_BYTES = 300 * 1024 * 1024;
/** What an object carries, of the headers of an upload and of an answer. */
const CARRIED = /^(content-(type|disposition|encoding|language)|cache-control|expires|x-amz-meta-.*)$/;
const TOLD = /^(content-length|etag|last-modified)$/;

export interface ObjectCall {
  readonly method: string;
  /** Without the query string. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/**
 * `GET`, `PUT` and `DELETE` of an object by the account's API, as wrangler's `r2 object` does it. They have no part in the
 * contract, whose bodies are JSON. `null` for any other call. @throws ApiFailure
 */
export function r2Objects({ identity, store, runtime }: ApiContext, keys: S3Keys) {
  return async ({ method, path, headers, body }: ObjectCall): Promise<ApiAnswer | null> => {
    const match = ROUTE.exec(path);
    if (match === null || !['GET', 'PUT', 'DELETE'].includes(method)) return null;
    const [, account, name = '', rawKey = ''] = match;
    if (account !== identity.accountId) throw new ApiFailure(403, 10000, 'Authentication error');
    if (!store.current().buckets.some((one) => one.name === name))
      throw new ApiFailure(404, 10006, 'The specified bucket does not exist.');
    const bucket = { endpoint: runtime.r2Endpoint, region: 'auto', bucket: name, ...keys };
    const key = decoded(rawKey);
    if (method === 'PUT') return upload(bucket, key, headers, body);
    if (method === 'GET') return download(bucket, key);
    await done(await send(bucket, 'DELETE', key));
    return ok({ key });
  };
}

type Asked = Awaited<ReturnType<typeof send>>;

/** The answer, unless it is a failure. @throws ApiFailure in the words of the API v4. */
async function done(answer: Asked): Promise<Asked> {
  if (answer.statusCode < 300) return answer;
  const text = await answer.body.text();
  const code = /<Code>(\w+)<\/Code>/.exec(text)?.[1] ?? '';
  const message = /<Message>([^<]*)<\/Message>/.exec(text)?.[1] ?? `R2 answered ${answer.statusCode}`;
  throw new ApiFailure(answer.statusCode, CODES[code] ?? 10001, message);
}

/** https://developers.cloudflare.com/r2/api/error-codes/ */
const CODES: Readonly<Record<string, number>> = {
  NoSuchKey: 10007,
  MetadataTooLarge: 10012,
  InvalidObjectName: 10020,
  TooManyRequests: 10058,
};

async function download(bucket: S3Bucket, key: string): Promise<ApiAnswer> {
  // As it is stored, whatever coding it has.
  const answer = await done(await send(bucket, 'GET', key, { headers: { 'accept-encoding': 'gzip, br' } }));
  const told = Object.entries(answer.headers).filter(([name]) => CARRIED.test(name) || TOLD.test(name));
  const headers = Object.fromEntries(told.map(([name, value]) => [name, String(value)]));
  return { status: 200, body: Buffer.from(await answer.body.arrayBuffer()), headers };
}

async function upload(
  bucket: S3Bucket,
  key: string,
  given: Readonly<Record<string, string>>,
  body: Buffer,
): Promise<ApiAnswer> {
  if (body.length > MOST_BYTES)
    throw new ApiFailure(400, 100100, 'Your proposed upload exceeds the maximum allowed object size.');
  const headers = Object.fromEntries(Object.entries(given).filter(([name]) => CARRIED.test(name)));
  const answer = await done(await send(bucket, 'PUT', key, { headers, body }));
  await answer.body.dump();
  const etag = String(answer.headers['etag'] ?? '').replaceAll('"', '');
  return ok({ key, etag, size: String(body.length), storage_class: 'Standard' });
}

function decoded(rawKey: string): string {
  try {
    return decodeURIComponent(rawKey);
  } catch {
    throw new ApiFailure(400, 10020, 'The specified object name is not valid.');
  }
}
