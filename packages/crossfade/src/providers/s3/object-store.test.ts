import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import {
  startTemporaryProject,
  type TemporaryProject,
} from '../../../../local-cloud/src/supabase/temporary-project.ts';
import { FAULTS, startFaultyVendor } from '../fixtures/faulty-vendor.ts';
import { ProviderError } from '../provider-error.ts';
import { createSupabaseS3 } from '../supabase/supabase-s3.ts';
import { createObjectStore } from './object-store.ts';
import { metaOf } from '../object-meta.ts';

const CANARY = 'canary-s3-secret-access-key';
const MIB = 1024 * 1024;
const META = metaOf({ contentType: 'audio/wav', cacheControl: 'max-age=3600' });
const address = (endpoint: string, over = {}) => ({
  label: 'supabase:media',
  endpoint,
  region: 'eu-west-1',
  accessKeyId: 'key',
  secretAccessKey: CANARY,
  bucket: 'media',
  partSizeBytes: 5 * MIB,
  ...over,
});
let project: TemporaryProject;
let endpoint: string;
let store: ReturnType<typeof createObjectStore>;

beforeAll(async () => {
  project = await startTemporaryProject('127.0.0.55', CANARY);
  ({ endpoint } = project.s3);
  store = createSupabaseS3(address(endpoint));
});
afterAll(async () => {
  await store.close();
  await project.close();
});

async function bytesOf(key: string, range?: { start: number; end: number }): Promise<Buffer> {
  const opened = await store.get(key, range);
  if (opened === null) throw new Error(`${key} is not there`);
  const chunks: Buffer[] = [];
  for await (const chunk of opened.body) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

describe('an object store', () => {
  it.each(['plain.wav', 'with space.wav', 'a+b=c&d.wav', "quote'!().wav", 'deep/er/key.wav', '@$;:,.wav'])(
    'keeps %j with its bytes and metadata, lists it, and forgets it',
    async (key) => {
      const bytes = Buffer.from(`bytes of ${key}`);
      const { etag } = await store.put(key, bytes, bytes.byteLength, META);
      expect(etag).toBe(createHash('md5').update(bytes).digest('hex'));
      expect(await bytesOf(key)).toEqual(bytes);
      expect(await bytesOf(key, { start: 2, end: 5 })).toEqual(bytes.subarray(2, 6));
      expect(await store.head(key)).toMatchObject({
        key,
        size: bytes.byteLength,
        etag,
        meta: { contentType: 'audio/wav' },
      });
      const listed: string[] = [];
      for await (const one of store.list()) listed.push(one.key);
      expect(listed).toContain(key);
      await store.delete(key);
      await store.delete(key);
      expect([await store.head(key), await store.get(key)]).toEqual([null, null]);
    },
  );

  it('sends a large object in parts, from a stream, and every byte arrives', async () => {
    const bytes = Buffer.alloc(11 * MIB + 7, 'abcdefg');
    const { etag } = await store.put(
      'large.wav',
      Readable.from([bytes], { objectMode: false }),
      bytes.byteLength,
      META,
    );
    expect(etag).toMatch(/-3$/);
    expect(
      createHash('sha256')
        .update(await bytesOf('large.wav'))
        .digest('hex'),
    ).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('lists more than a page, in order, each key once', async () => {
    const keys = Array.from({ length: 1100 }, (_, index) => `many/${String(index).padStart(5, '0')}`);
    for (let at = 0; at < keys.length; at += 50)
      await Promise.all(keys.slice(at, at + 50).map((key) => store.put(key, Buffer.from('x'), 1, META)));
    const listed: string[] = [];
    for await (const one of store.list('many/')) listed.push(one.key);
    expect(listed).toEqual(keys);
    const rest: string[] = [];
    for await (const one of store.list('many/', 'many/01097')) rest.push(one.key);
    expect(rest).toEqual(['many/01098', 'many/01099']);
  });

  it.each([
    ['another secret', { secretAccessKey: 'canary-wrong-secret' }, 403],
    ['another key id', { accessKeyId: 'nobody' }, 403],
    ['a bucket that is not there', { bucket: 'nothing' }, 404],
  ])('refuses %s, and the error holds no credential', async (_name, over, status) => {
    const other = createObjectStore(address(endpoint, over));
    onTestFinished(() => other.close());
    const list = async (): Promise<void> => {
      for await (const one of other.list()) expect(one).toBeUndefined();
    };
    const error: unknown = await list().catch((one: unknown) => one);
    expect(error).toMatchObject({ status });
    expect(String(error)).not.toContain('canary');
  });
});

describe.each(Object.entries(FAULTS).filter(([name]) => name !== 'gets JSON of another shape'))(
  'when a call to an object store %s',
  (fault, answer) => {
    it('it fails with an error that names the call, and no credential', async () => {
      const vendor = await startFaultyVendor(answer);
      const faulty = createObjectStore(address(vendor.url));
      onTestFinished(async () => {
        await vendor.close();
        await faulty.close();
      });
      const list = async (): Promise<void> => {
        for await (const one of faulty.list()) expect(one).toBeUndefined();
      };
      const calls: Record<string, () => Promise<unknown>> = {
        list,
        put: () => faulty.put('x', Buffer.from('x'), 1, META),
        'put in parts': () => faulty.put('x', Buffer.alloc(6 * MIB), 6 * MIB, META),
        get: () => faulty.get('x'),
        head: () => faulty.head('x'),
        delete: () => faulty.delete('x'),
      };
      // A page of HTML below a 200 is an object like any other to these three.
      if (fault === 'gets a page of HTML') for (const name of ['put', 'get', 'head', 'delete']) delete calls[name];
      await Promise.all(
        Object.entries(calls).map(async ([name, call]) => {
          const error: unknown = await call().then(
            () => null,
            (one: unknown) => one,
          );
          expect(error, name).toBeInstanceOf(ProviderError);
          expect(`${String(error)} ${JSON.stringify(error)}`, name).not.toContain(CANARY);
        }),
      );
    });
  },
);
