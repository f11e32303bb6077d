import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { copyObjects } from './copy.ts';
import { startS3Server, type S3Server } from './fixtures/s3-server.ts';
import { memoryStore } from './fixtures/memory-store.ts';
import { verifyObjects } from './verify.ts';

let s3: S3Server;

beforeEach(async () => {
  s3 = await startS3Server();
});
afterEach(() => s3.close());

const signal = AbortSignal.timeout(60_000);
async function keysOf(store: ReturnType<S3Server['store']>): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list()) keys.push(key);
  return keys;
}

describe('keys of a store that lists them unencoded, without a word', () => {
  // What versity/versitygw#1985 is about; Ceph, DigitalOcean and IBM list so too (rclone's provider quirks).
  const KEYS = ['a%20b.mp3', 'a b.mp3', '100%25 sure.mp3', '50%.mp3', 'a+b.mp3', 'a%2Fb.mp3', '%C3%A9.mp3', 'é.mp3'];

  it('are copied and verified, each under its own name', async () => {
    s3.lists = 'raw';
    for (const key of KEYS) s3.place(`old/${key}`, `bytes of ${key}`);
    const [from, to] = [s3.store('old'), s3.store('new')];
    const options = { from, to, concurrency: 2, signal };
    expect(await copyObjects(options)).toMatchObject({ copied: KEYS.length, failed: [], gone: 0 });
    for (const key of KEYS) expect(s3.objects.get(`new/${key}`)?.bytes.toString()).toBe(`bytes of ${key}`);
    expect(await verifyObjects({ ...options, deep: true })).toMatchObject({
      objects: KEYS.length,
      verified: KEYS.length,
    });
  });
});

describe('any key', () => {
  const key = fc
    .oneof(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }),
      fc.string({
        unit: fc.constantFrom('%', '2', '0', '5', 'F', '+', '&', ' ', '/', 'é', '%20', '%25', 'a'),
        minLength: 1,
      }),
    )
    .filter((one) => !one.split('/').some((segment) => segment === '.' || segment === '..'));

  it.each(['encoded', 'raw'] as const)('is the same of a listing that is %s', async (lists) => {
    s3.lists = lists;
    const store = s3.store('old');
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(key, { minLength: 1, maxLength: 5 }), async (keys) => {
        s3.objects.clear();
        for (const one of keys) s3.place(`old/${one}`, one);
        expect((await keysOf(store)).toSorted()).toEqual(keys.toSorted());
      }),
      { numRuns: 100 },
    );
  });
});

describe('a store that may encode without saying so', () => {
  const open = (): ReturnType<S3Server['store']> => s3.store('old', { mayEncodeUntold: true });

  it.each(['encoded', 'encoded-untold', 'raw'] as const)('that is %s yields the keys that are there', async (lists) => {
    s3.lists = lists;
    const keys = ['a b', 'a&b', 'c/d+e', 'plain'];
    if (lists === 'raw') keys.push('a%20c', '100%25');
    for (const key of keys) s3.place(`old/${key}`, key);
    expect((await keysOf(open())).toSorted()).toEqual(keys.toSorted());
  });

  it('is asked once, for both forms of one key', async () => {
    s3.lists = 'encoded-untold';
    for (const key of ['a b', 'c d']) s3.place(`old/${key}`, key);
    const store = open();
    for (let walk = 0; walk < 3; walk++) expect(await keysOf(store)).toEqual(['a b', 'c d']);
    expect(s3.calls.filter((call) => call.startsWith('HEAD')).toSorted()).toEqual(['HEAD old/a b', 'HEAD old/a%20b']);
  });

  it('is asked for another key when both forms of the first are there, or none any more', async () => {
    s3.lists = 'raw';
    for (const key of ['a%20b', 'a b', 'd%20e']) s3.place(`old/${key}`, key);
    expect(await keysOf(open())).toEqual(['a b', 'a%20b', 'd%20e']);
    s3.lists = 'encoded-untold';
    for (const key of ['f g', 'h i']) s3.place(`old/${key}`, key);
    s3.fault = (call, _request, response) => {
      if (!call.startsWith('HEAD old/f')) return false;
      response.writeHead(call.includes('%') ? 404 : 403).end();
      return true;
    };
    for (const key of ['a%20b', 'a b', 'd%20e']) s3.objects.delete(`old/${key}`);
    expect(await keysOf(open())).toEqual(['f g', 'h i']);
  });
});

describe('a key that the listing does not tell', () => {
  it('fails by its name, and the others are copied and verified', async () => {
    s3.place('old/good', 'good');
    s3.fault = (call, _request, response) => {
      if (!call.startsWith('GET old?')) return false;
      const rows = ['zz%', 'caf%E9', 'caf%F1', 'good'].map(
        (key) =>
          `<Contents><Key>${key}</Key><LastModified>2026-01-02T03:04:05Z</LastModified><ETag>&quot;755f85c2723bb39381c7379a604160d8&quot;</ETag><Size>4</Size></Contents>`,
      );
      response.end(`<ListBucketResult><EncodingType>url</EncodingType>${rows.join('')}</ListBucketResult>`);
      return true;
    };
    const options = { from: s3.store('old'), to: memoryStore('new'), concurrency: 2, signal };
    const result = await copyObjects(options);
    expect(result).toMatchObject({ copied: 1, gone: 0 });
    expect(result.failed.map(({ key }) => key).toSorted()).toEqual(['caf\ufffdE9', 'caf\ufffdF1', 'zz%']);
    for (const { reason } of result.failed)
      expect(reason).toMatch(/under a key that cannot be read: ".*" is not URL-enc/);
    const verified = await verifyObjects(options);
    expect(verified).toMatchObject({ objects: 4, verified: 1, missing: [] });
    expect(verified.failed.map(({ key, reason }) => [key, reason])).toEqual(
      ['caf\ufffdE9', 'caf\ufffdF1', 'zz%'].map((key) => [key, expect.stringContaining('that cannot be read: ')]),
    );
  });
});
