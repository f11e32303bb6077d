import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { copyObjects } from './copy.ts';
import { refuse, startS3Server, type S3Server } from './fixtures/s3-server.ts';

let s3: S3Server;
beforeEach(async () => {
  s3 = await startS3Server();
});
afterEach(() => s3.close());

const { signal } = new AbortController();
const copy = () => copyObjects({ from: s3.store('old'), to: s3.store('new'), concurrency: 2, signal });
const stored = (key: string): string | undefined => s3.objects.get(`new/${key}`)?.bytes.toString();

describe('a copy that the store does not make', () => {
  it('because it does not decode the name of its source is made by hand', async () => {
    // Seen on supabase/storage 1.11.2: 404 for each key that has to be encoded.
    const keys = ['a b', 'a:b', 'a$b', 'a=b', 'a&b', 'a+b', 'a,b', 'a;b', 'a@b', "a'b", 'a(b', 'plain'];
    for (const key of keys) s3.place(`old/${key}`, `bytes of ${key}`);
    s3.fault = (_call, request, response) => {
      const source = request.headers['x-amz-copy-source'];
      return source !== undefined && /%/.test(String(source)) && refuse(response, 404, 'NoSuchKey');
    };
    expect(await copy()).toMatchObject({ copied: keys.length, failed: [], gone: 0 });
    for (const key of keys) expect(stored(key)).toBe(`bytes of ${key}`);
    expect(s3.calls).not.toContain('GET old/plain');
  });

  it.each([
    [400, 'InvalidRequest'],
    [400, 'InvalidKey'],
    [400, 'InvalidArgument'],
    [403, 'AccessDenied'],
    [404, 'NoSuchBucket'],
    [501, 'NotImplemented'],
  ])('for %s %s is made by hand', async (status, code) => {
    s3.place('old/a', 'bytes');
    s3.fault = (_call, request, response) =>
      request.headers['x-amz-copy-source'] !== undefined && refuse(response, status, code);
    expect(await copy()).toMatchObject({ copied: 1, failed: [], gone: 0 });
    expect(stored('a')).toBe('bytes');
  });

  it('because the source is gone is no failure', async () => {
    s3.place('old/a', 'bytes');
    s3.fault = (_call, request) => {
      if (request.headers['x-amz-copy-source'] !== undefined) s3.objects.delete('old/a');
      return false;
    };
    expect(await copy()).toMatchObject({ copied: 0, failed: [], gone: 1 });
  });
});

describe('a copy that the store makes', () => {
  const SIX = {
    'content-type': 'audio/wav',
    'cache-control': 'max-age=60',
    'content-disposition': 'attachment; filename="a.wav"',
    'content-encoding': 'identity',
    'content-language': 'de, en',
    expires: 'Wed, 21 Oct 2026 07:28:00 GMT',
    'x-amz-meta-artist': 'Ada',
  };
  const directive = (): Promise<unknown> =>
    new Promise((resolve) => {
      s3.fault = (_call, { headers }) => {
        if (headers['x-amz-copy-source'] !== undefined) resolve(headers['x-amz-metadata-directive']);
        return false;
      };
    });

  it('replaces the metadata by all six headers and all custom values', async () => {
    s3.place('old/a', 'bytes', undefined, SIX);
    const asked = directive();
    expect(await copy()).toMatchObject({ copied: 1 });
    expect(await asked).toBe('REPLACE');
    expect(s3.objects.get('new/a')?.headers).toMatchObject(SIX);
  });

  it('keeps the metadata as it is where not all of it is told', async () => {
    s3.place('old/a', 'bytes', undefined, { ...SIX, 'x-amz-missing-meta': '2' });
    const asked = directive();
    expect(await copy()).toMatchObject({ copied: 1 });
    expect(await asked).toBe('COPY');
    expect(s3.objects.get('new/a')?.headers).not.toHaveProperty('x-amz-meta-artist');
  });
});
