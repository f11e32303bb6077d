import { describe, expect, it, onTestFinished } from 'vitest';
import { copyObjects } from '../../transfer/copy.ts';
import { memoryStore } from '../../transfer/fixtures/memory-store.ts';
import { isThrottled } from '../provider-error.ts';
import { startStorageServer, type StorageAnswer, type StorageServer } from './fixtures/storage-server.ts';
import { createStorageRest } from './storage-rest.ts';
import { createSupabaseS3 } from './supabase-s3.ts';

// What supabase/storage 1.11.2 was seen to do, where it does otherwise than S3.
const SECRET = 'sb_secret_canary';
type Answers = (call: string) => StorageAnswer | undefined;

async function start(answers: Answers): Promise<StorageServer> {
  const server = await startStorageServer(
    (call) =>
      answers(call) ??
      (/\/bucket\/|^HEAD \/storage\/v1\/s3\/media$/.test(call) ? { body: { id: 'media' } } : { status: 404 }),
  );
  onTestFinished(() => server.close());
  return server;
}
function restOf(server: StorageServer) {
  const store = createStorageRest({
    label: 'rest',
    url: server.url,
    serviceKey: SECRET,
    bucket: 'media',
  });
  onTestFinished(() => store.close());
  return store;
}
function s3Of(server: StorageServer, knowsProject = true) {
  const credential = { region: 'x', accessKeyId: 'key', secretAccessKey: 'secret', partSizeBytes: 1e7 };
  const store = createSupabaseS3(
    { label: 's3', endpoint: `${server.url}/storage/v1/s3`, bucket: 'media', pace: 0.01, ...credential },
    knowsProject ? { url: server.url, serviceKey: SECRET } : null,
  );
  onTestFinished(() => store.close());
  return store;
}

const INFO = {
  size: 3,
  etag: 'e-1',
  content_type: 'audio/wav',
  cache_control: 'max-age=60',
  last_modified: '2026-01-01T00:00:00.000Z',
  metadata: { Artist: 'Beyoncé', bpm: 120, tags: ['a', 'b'], plain: 'x', none: null },
};
const TOLD = { artist: 'Beyoncé', bpm: '120', tags: '["a","b"]', plain: 'x', none: 'null' };
const HEADERS = { etag: '"e-1"', 'content-type': 'audio/wav', 'x-amz-meta-plain': 'x', 'x-amz-missing-meta': '4' };
const stored: Answers = (call) => {
  if (call === 'GET /storage/v1/object/info/media/a') return { body: INFO };
  if (call.startsWith('HEAD') && call.endsWith('/s3/media/a'))
    return { headers: { ...HEADERS, 'content-length': '3' } };
  if (call.startsWith('GET /storage/v1/object/authenticated/media/a') || call === 'GET /storage/v1/s3/media/a')
    return { headers: HEADERS, body: 'abc' };
  if (call.includes('/list-v2/'))
    return {
      body: {
        hasNext: false,
        objects: [{ name: 'a', metadata: { size: 3, eTag: '"e-1"', lastModified: INFO.last_modified } }],
      },
    };
  if (call.startsWith('GET /storage/v1/s3/media?'))
    return {
      body: `<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>a</Key><LastModified>${INFO.last_modified}</LastModified><ETag>"e-1"</ETag><Size>3</Size></Contents></ListBucketResult>`,
    };
  return undefined;
};
const signal = AbortSignal.timeout(60_000);

describe('custom metadata that headers do not tell', () => {
  it('is asked for by its number over S3, and not where all is told', async () => {
    const server = await start(stored);
    const store = s3Of(server);
    expect((await store.head('a'))?.meta).toEqual(expect.objectContaining({ custom: TOLD, contentType: 'audio/wav' }));
    expect((await store.head('a'))?.meta).not.toHaveProperty('untold');
    const { 'x-amz-missing-meta': _missing, ...all } = HEADERS;
    const other = await start((call) =>
      call.startsWith('HEAD') ? { headers: { ...all, 'content-length': '3' } } : undefined,
    );
    expect((await s3Of(other).head('a'))?.meta.custom).toEqual({ plain: 'x' });
    expect(other.calls).toEqual(['HEAD /storage/v1/s3/media/a']);
  });

  it('is counted where the project is not known', async () => {
    const head = await s3Of(await start(stored), false).head('a');
    expect(head?.meta).toMatchObject({ custom: { plain: 'x' }, untold: 4 });
  });

  it('over REST is told by HEAD only, and GET says that it does not', async () => {
    const store = restOf(await start(stored));
    expect((await store.head('a'))?.meta).toMatchObject({ custom: TOLD, cacheControl: 'max-age=60' });
    const opened = await store.get('a');
    opened?.body.resume();
    expect(opened?.meta.untold).toBeNull();
  });

  it.each([
    ['REST', restOf],
    ['S3', s3Of],
  ])('comes along with a copy over %s', async (_name, open) => {
    const to = memoryStore('new');
    const from = open(await start(stored));
    expect(await copyObjects({ from, to, concurrency: 1, signal })).toMatchObject({ copied: 1, failed: [] });
    expect(to.objects.get('a')?.meta.custom).toMatchObject(TOLD);
  });

  it('that nobody tells is told of the copy', async () => {
    const copied: unknown[] = [];
    const from = s3Of(await start(stored), false);
    await copyObjects({
      from,
      to: memoryStore('new'),
      concurrency: 1,
      signal,
      onCopied: (one) => void copied.push(one),
    });
    expect(copied).toMatchObject([{ key: 'a', untoldMeta: 4 }]);
  });

  it('of a name that no header can have is counted', async () => {
    const metadata = { 'a b': '1', Ä: '2', ok: '3', OK: '4' };
    const store = restOf(
      await start((call) => (call.includes('/info/') ? { body: { ...INFO, metadata } } : undefined)),
    );
    expect((await store.head('a'))?.meta).toMatchObject({ custom: { ok: '3' }, untold: 3 });
  });
});

describe('a key that Supabase cannot hold', () => {
  it.each(['ü.mp3', 'a#b', 'x[1].wav', '50%.wav', '~a', 'k'.repeat(1217)])(
    '%s is not there, though HEAD is answered with 400 and no word',
    async (key) => {
      expect(await s3Of(await start(() => ({ status: 400 }))).head(key)).toBeNull();
    },
  );

  it('is told from one that it refuses to look for', async () => {
    const store = s3Of(await start(() => ({ status: 400 })));
    await expect(store.head('good.wav')).rejects.toThrow('HEAD media/good.wav answered 400');
  });
});

describe('a server that is overloaded', () => {
  const timeout = { statusCode: '544', error: 'DatabaseTimeout', message: 'The connection to the database timed out' };
  it.each([
    ['544 over S3', s3Of, { status: 544, body: '<Error><Code>DatabaseTimeout</Code></Error>' }],
    ['544 over S3 without a word', s3Of, { status: 544 }],
    ['544 over REST', restOf, { status: 544, body: timeout }],
    ['544 in the body of a 400 over REST', restOf, { status: 400, body: timeout }],
    ['429 over REST', restOf, { status: 429, body: { statusCode: '429', error: 'SlowDown', message: 'Too many' } }],
  ])('%s slows down, and the call is made again', async (_name, open, answer) => {
    let refused = 0;
    const headers = { 'retry-after': '0' };
    const server = await start((call) =>
      /HEAD|info/.test(call) && refused++ === 0 ? { headers, ...answer } : stored(call),
    );
    const heard: (number | null)[] = [];
    const store = open(server);
    store.onThrottled?.((retryAfterMs) => heard.push(retryAfterMs));
    expect(await store.head('a')).toMatchObject({ key: 'a', size: 3 });
    expect(heard).toEqual([0]);
  });

  it('is known by its error', async () => {
    const headers = { 'retry-after': '3600' };
    const error: unknown = await s3Of(await start(() => ({ status: 544, headers })))
      .head('a')
      .catch((one: unknown) => one);
    expect(isThrottled(error)).toBe(true);
  });
});
