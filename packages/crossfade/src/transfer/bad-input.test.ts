import { hash } from 'node:crypto';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ObjectStore } from '../providers/providers.ts';
import { compositeEtagOf } from '../providers/s3/parts.ts';
import { copyObjects, type CopyOptions } from './copy.ts';
import { memoryStore } from './fixtures/memory-store.ts';
import { refuse, startS3Server, type S3Server } from './fixtures/s3-server.ts';
import { verifyObjects } from './verify.ts';
import { metaOf } from '../providers/object-meta.ts';

let s3: S3Server;
beforeEach(async () => {
  s3 = await startS3Server();
});
afterEach(() => s3.close());

const { signal } = new AbortController();
const stores = () => ({ from: s3.store('old'), to: s3.store('new', { secretAccessKey: 'another' }) });
const copy = (over: Partial<CopyOptions> = {}) => copyObjects({ ...stores(), concurrency: 4, signal, ...over });
const verify = () => verifyObjects({ ...stores(), concurrency: 4, signal });
const place = (...keys: readonly string[]): void => {
  for (const key of keys) s3.place(`old/${key}`, `bytes of ${key}`);
};
const text = (key: string): string | undefined => s3.objects.get(`new/${key}`)?.bytes.toString();

/** An honest ETag of the bytes: their MD5, that of one part, or a store's own, which says nothing to others. */
function etagOf(kind: string, bytes: Buffer): { etag?: string } {
  if (kind === 'md5') return {};
  return { etag: kind === 'composite' ? compositeEtagOf([hash('md5', bytes)]) : hash('sha256', bytes) };
}

describe('keys', () => {
  it.each([
    'with space',
    'a+b',
    '100%2F',
    '%',
    'what?x=1&y#z',
    'a/../b/./c',
    '..',
    'ünï/日本/😀',
    'é', // not composed
    '<&>"\'',
    'folder/',
    'x'.repeat(1024),
    'ü'.repeat(512),
  ])('%j arrives as it is, and is verified', async (key) => {
    place(key);
    expect(await copy()).toMatchObject({ copied: 1, failed: [] });
    expect([...s3.objects.keys()].toSorted()).toEqual([`new/${key}`, `old/${key}`]);
    expect(text(key)).toBe(`bytes of ${key}`);
    expect(await verify()).toMatchObject({ verified: 1, mismatched: [], missing: [], extra: [] });
  });

  it('that differ only in case are two objects', async () => {
    place('Song', 'song', 'SONG');
    expect(await copy()).toMatchObject({ copied: 3, failed: [] });
    expect(['Song', 'song', 'SONG'].map(text)).toEqual(['bytes of Song', 'bytes of song', 'bytes of SONG']);
  });

  it('of no bytes arrive too, folder markers among them', async () => {
    for (const key of ['empty', 'folder/']) s3.place(`old/${key}`, '');
    expect(await copy()).toMatchObject({ copied: 2, bytes: 0, failed: [] });
    expect(await verify()).toMatchObject({ objects: 2, verified: 2 });
  });
});

describe('a description', () => {
  it('that no header can hold is one line in the report, and the other objects arrive', async () => {
    const from = memoryStore('legacy');
    for (const key of ['a', 'b', 'c']) from.place(key, `bytes of ${key}`);
    const contentType = 'audio/wav; title="夜"';
    from.place('b', 'bytes of b', { meta: metaOf({ contentType }) });
    const read: string[] = [];
    const noted: ObjectStore = { ...from, get: (key, range) => (read.push(key), from.get(key, range)) };
    const { copied, failed } = await copy({ from: noted });
    expect(copied).toBe(2);
    expect(failed).toEqual([
      { key: 'b', reason: expect.stringMatching(/^b has the header content-type with .* S3 cannot carry/) },
    ]);
    // At another attempt it would be the same.
    expect(read.toSorted()).toEqual(['a', 'b', 'c']);
    expect([text('a'), text('b'), text('c')]).toEqual(['bytes of a', undefined, 'bytes of c']);
  });
});

describe('a source that lies', () => {
  it('about the length: less than it announced is told, nothing is written, the others are', async () => {
    place('a', 'b');
    s3.fault = (call, _request, response) => {
      if (call !== 'GET old/a') return false;
      response.writeHead(200, { 'content-length': 10, etag: '"x"' });
      response.write('bytes');
      response.destroy();
      return true;
    };
    const { copied, failed } = await copy();
    expect(copied).toBe(1);
    expect(failed).toEqual([{ key: 'a', reason: expect.stringContaining('old/a') }]);
    expect([text('a'), text('b')]).toEqual([undefined, 'bytes of b']);
  });

  it('about the length: more than it listed is told, nothing is written', async () => {
    place('a');
    s3.fault = (call, _request, response) => {
      if (call !== 'GET old/a') return false;
      response.writeHead(200, { 'content-length': 20 }).end('x'.repeat(20));
      return true;
    };
    expect((await copy()).failed).toEqual([{ key: 'a', reason: expect.stringContaining('a changed in s3:old') }]);
    expect(text('a')).toBeUndefined();
  });

  it('about the MD5: the target refuses the bytes, and the line names the source', async () => {
    place('a', 'b');
    let reads = 0;
    s3.fault = (call, _request, response) => {
      if (call !== 'GET old/a') return false;
      const headers = { 'content-length': 10, etag: `"${s3.objects.get('old/a')?.etag}"` };
      response.writeHead(200, headers).end(Buffer.alloc(10, ++reads));
      return true;
    };
    const { failed } = await copy();
    expect(failed).toEqual([{ key: 'a', reason: expect.stringContaining('s3:old says that the MD5 is') }]);
    expect(text('a')).toBeUndefined();
  });

  it('by repeating keys is an error, not a copy that leaves some out', async () => {
    place('a', 'b');
    const from = s3.store('old');
    const { list } = from;
    from.list = async function* (prefix, after) {
      yield* list(prefix, after);
      yield* list(prefix, after);
    };
    await expect(copy({ from })).rejects.toThrow('the listing repeats or is out of order: "a" after "b"');
  });

  it('by leaving out a key that the target has is noticed by the verification', async () => {
    place('a', 'b', 'c');
    await copy();
    const { from, to } = stores();
    const { list } = from;
    from.list = async function* (prefix, after) {
      for await (const listed of list(prefix, after)) if (listed.key !== 'b') yield listed;
    };
    expect(await verifyObjects({ from, to, concurrency: 1, signal })).toMatchObject({ extra: ['b'] });
  });
});

describe('what no other object would fare better with', () => {
  const many = Array.from({ length: 400 }, (_, index) => `key-${String(index).padStart(4, '0')}`);

  it.each([
    ['an expired token', 400, 'ExpiredToken', /./, 's3:new does not take the credential any more'],
    ['a revoked key', 403, 'InvalidAccessKeyId', /./, 's3:new does not take the credential any more'],
    ['a bucket that was deleted', 404, 'NoSuchBucket', /./, 's3:new has no such bucket any more'],
    ['a full store', 507, 'InsufficientStorage', /^PUT/, 's3:new is full'],
    ['a quota', 403, 'QuotaExceeded', /^PUT/, 's3:new is full'],
    ['a right that is missing', 403, 'AccessDenied', /^PUT/, '100 objects failed in a row'],
  ])('%s stops the copy with one error that says what to do', async (_name, status, code, refused, message) => {
    place(...many);
    let puts = 0;
    s3.fault = (call, _request, response) => {
      if (!/^[A-Z]+ new[/?]/.test(call)) return false;
      if (call.startsWith('PUT')) puts++;
      return puts > 20 && refused.test(call) && refuse(response, status, code);
    };
    await expect(copy()).rejects.toThrow(message);
    expect(puts).toBeLessThan(350);
    s3.fault = null;
    await copy();
    expect(await verify()).toMatchObject({ objects: 400, verified: 400 });
  });

  it('one object that is too large for the target is one line, and the others arrive', async () => {
    place(...many.slice(0, 10));
    s3.fault = (call, _request, response) => call === 'PUT new/key-0003' && refuse(response, 413, 'EntityTooLarge');
    const { copied, failed } = await copy();
    expect(copied).toBe(9);
    expect(failed).toEqual([{ key: 'key-0003', reason: expect.stringContaining('EntityTooLarge') }]);
  });
});

describe('any single wrong byte in the target', () => {
  it('is found, whatever the ETags of both sides mean, and no other object is named', async () => {
    const kinds = fc.constantFrom('md5', 'composite', 'own');
    const one = fc.record({ bytes: fc.uint8Array({ minLength: 1, maxLength: 64 }), from: kinds, to: kinds });
    const many = fc.array(one, { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(
        many,
        fc.nat(),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (objects, which, where, flip) => {
          const [from, to] = [memoryStore('legacy'), memoryStore('r2')];
          const wrong = which % objects.length;
          for (const [index, object] of objects.entries()) {
            const bytes = Buffer.from(object.bytes);
            from.place(`key ${index}`, bytes, etagOf(object.from, bytes));
            const at = where % bytes.byteLength;
            if (index === wrong) bytes[at] = (bytes[at] ?? 0) ^ flip;
            to.place(`key ${index}`, bytes, etagOf(object.to, bytes));
          }
          const { verified, mismatched, missing } = await verifyObjects({ from, to, concurrency: 3, signal });
          expect(mismatched.map(({ key }) => key)).toEqual([`key ${wrong}`]);
          expect([verified, missing]).toEqual([objects.length - 1, []]);
        },
      ),
      { numRuns: 200 },
    );
  });
});
