import { describe, expect, it, onTestFinished } from 'vitest';
import { ProviderError } from '../provider-error.ts';
import { startStorageServer, type StorageAnswer, type StorageServer } from './fixtures/storage-server.ts';
import { createStorageRest } from './storage-rest.ts';
import { roleOfKey } from './storage-view.ts';
import { createSupabaseS3 } from './supabase-s3.ts';

const jwt = (claims: object): string =>
  ['{"alg":"HS256"}', JSON.stringify(claims), 'signature']
    .map((part) => Buffer.from(part).toString('base64url'))
    .join('.');
const SERVICE = jwt({ role: 'service_role' });
const OBJECT = { name: 'a', key: 'a', metadata: { size: 1, eTag: '"e"', lastModified: '2026-01-01T00:00:00Z' } };

// supabase/storage 1.11.2: a list of a missing bucket, or of one that the policies hide, is 200 and has what may be seen.
const answers: Record<string, StorageAnswer> = {
  'GET /storage/v1/bucket/media': { body: { id: 'media', public: false } },
  'GET /storage/v1/bucket/missing': {
    status: 400,
    body: { statusCode: '404', error: 'Bucket not found', message: 'Bucket not found' },
  },
  'POST /storage/v1/object/list-v2/media': { body: { hasNext: false, objects: [OBJECT] } },
  'POST /storage/v1/object/list-v2/missing': { body: { hasNext: false, objects: [] } },
  'HEAD /storage/v1/s3/missing': { status: 404 },
  'HEAD /storage/v1/s3/media': {},
};
const EMPTY = '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>';

async function start(): Promise<StorageServer> {
  const server = await startStorageServer(
    (call) => answers[call] ?? (call.includes('/s3/') ? { body: EMPTY } : { status: 404, body: { statusCode: '404' } }),
  );
  onTestFinished(() => server.close());
  return server;
}
async function rest(serviceKey: string, bucket = 'media') {
  const server = await start();
  const store = createStorageRest({ label: 'rest', url: server.url, serviceKey, bucket });
  onTestFinished(() => store.close());
  return { store, server };
}
async function s3(bucket: string, sessionToken?: string) {
  const server = await start();
  const credential = { region: 'x', accessKeyId: 'key', secretAccessKey: 'secret', partSizeBytes: 1e7 };
  const store = createSupabaseS3({
    label: 's3',
    endpoint: `${server.url}/storage/v1/s3`,
    bucket,
    sessionToken,
    ...credential,
  });
  onTestFinished(() => store.close());
  return { store, server };
}
async function keysOf(listing: AsyncIterable<{ key: string }>): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of listing) keys.push(key);
  return keys;
}

describe('the role of a key', () => {
  it.each([
    [jwt({ role: 'anon', iss: 'supabase' }), 'anon'],
    [jwt({ role: 'authenticated', sub: 'u' }), 'authenticated'],
    [SERVICE, 'service_role'],
    ['sb_publishable_abc', 'publishable'],
    ['sb_secret_abc', 'service_role'],
    [jwt({ sub: 'u' }), null],
    ['no.JSON.here', null],
    ['opaque', null],
    ['', null],
  ])('of %s is %s', (key, role) => {
    expect(roleOfKey(key)).toBe(role);
  });
});

describe('a listing over REST', () => {
  it.each([jwt({ role: 'anon' }), jwt({ role: 'authenticated' }), jwt({ role: 'reporter' }), 'sb_publishable_abc'])(
    'is refused with the key %s, which may see only a part, before anything is asked',
    async (key) => {
      const { store, server } = await rest(key);
      const error: unknown = await keysOf(store.list()).catch((one: unknown) => one);
      expect(error).toBeInstanceOf(ProviderError);
      expect(error).toMatchObject({ code: 'PartialView', hint: expect.stringContaining('service_role') });
      expect(String(error)).not.toContain(key);
      expect(server.calls).toEqual([]);
    },
  );

  it.each([SERVICE, 'sb_secret_abc'])('is made with %s, and the bucket is asked for once', async (key) => {
    const { store, server } = await rest(key);
    expect([await keysOf(store.list()), await keysOf(store.list())]).toEqual([['a'], ['a']]);
    expect(server.calls.filter((call) => call.startsWith('GET'))).toEqual(['GET /storage/v1/bucket/media']);
  });

  it('of a bucket that is not there is an error, and no empty bucket', async () => {
    const { store } = await rest(SERVICE, 'missing');
    await expect(keysOf(store.list())).rejects.toMatchObject({ status: 404, code: 'NoSuchBucket' });
    expect(await store.bucketExists?.()).toBe(false);
  });
});

describe('a listing over S3', () => {
  it('of a bucket that is not there is an error, and no empty bucket', async () => {
    const { store } = await s3('missing');
    await expect(keysOf(store.list())).rejects.toMatchObject({ status: 404, code: 'NoSuchBucket' });
    // A GET of an object there says NoSuchKey, as of one that is deleted.
    expect(await store.bucketExists()).toBe(false);
  });

  // With a user's access token the policies decide, as over REST; access keys pass by all of them
  // (https://supabase.com/docs/guides/storage/s3/authentication).
  it.each(['authenticated', 'anon', 'reporter'])(
    'is refused with the session token of a user of the role %s, before anything is asked',
    async (role) => {
      const token = jwt({ role, sub: 'u' });
      const { store, server } = await s3('media', token);
      const error: unknown = await keysOf(store.list()).catch((one: unknown) => one);
      expect(error).toMatchObject({ code: 'PartialView', hint: expect.stringContaining('S3 access keys') });
      expect(String(error)).toContain(`a session token of the role "${role}"`);
      expect(String(error)).not.toContain(token);
      expect(server.calls).toEqual([]);
    },
  );

  it.each([SERVICE, 'opaque'])('is made with the session token %s, which names no such role', async (token) => {
    expect(await keysOf((await s3('media', token)).store.list())).toEqual([]);
  });

  it('asks for the bucket once', async () => {
    const { store, server } = await s3('media');
    expect([await keysOf(store.list()), await keysOf(store.list('a'))]).toEqual([[], []]);
    expect(server.calls.filter((call) => call.startsWith('HEAD'))).toEqual(['HEAD /storage/v1/s3/media']);
    expect(await store.bucketExists()).toBe(true);
  });
});
