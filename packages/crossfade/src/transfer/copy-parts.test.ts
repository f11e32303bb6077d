import { hash, randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compositeEtagOf } from '../providers/s3/parts.ts';
import { copyObjects, type CopyOptions } from './copy.ts';
import { MIB, refuse, startS3Server, type S3Server } from './fixtures/s3-server.ts';
import { verifyObjects } from './verify.ts';

let s3: S3Server;
beforeEach(async () => {
  s3 = await startS3Server();
});
afterEach(() => s3.close());

const { signal } = new AbortController();
const PART = 5 * MIB;
const song = randomBytes(4 * PART + 7);
const md5sOf = (bytes: Buffer): string[] =>
  Array.from({ length: Math.ceil(bytes.byteLength / PART) }, (_, at) =>
    hash('md5', bytes.subarray(at * PART, (at + 1) * PART)),
  );
const stores = () => ({ from: s3.store('old'), to: s3.store('new', { secretAccessKey: 'another' }) });
const copy = (over: Partial<CopyOptions> = {}) => copyObjects({ ...stores(), concurrency: 4, signal, ...over });
const partsPut = (): string[] => s3.calls.filter((call) => call.startsWith('PUT new/song?partNumber='));
const stored = (): string | undefined => {
  const object = s3.objects.get('new/song');
  return object === undefined ? undefined : hash('md5', object.bytes);
};

describe('an object in parts', () => {
  it('has the ETag of the source when that came up in parts too, so that a listing proves it', async () => {
    s3.place('old/song', song, compositeEtagOf(md5sOf(song)), { 'content-type': 'audio/wav' });
    expect(await copy()).toMatchObject({ copied: 1, failed: [] });
    expect(stored()).toBe(hash('md5', song));
    expect(s3.objects.get('new/song')?.headers).toMatchObject({
      'content-type': 'audio/wav',
      'x-amz-meta-mtime': '1767323045.678',
    });
    s3.calls.length = 0;
    expect(await verifyObjects({ ...stores(), concurrency: 4, signal })).toMatchObject({ verified: 1, mismatched: [] });
    expect(s3.calls.every((call) => call.includes('list-type=2'))).toBe(true);
  });

  it.each([
    ['tells its MD5', hash('md5', song)],
    ['tells that of its parts', compositeEtagOf(md5sOf(song))],
    ['tells nothing', 'W1'],
  ])('is gone on with where it was left, when the source %s', async (_name, etag) => {
    s3.place('old/song', song, etag);
    const stop = new AbortController();
    s3.fault = (call) => {
      if (partsPut().length < 3 || !call.includes('partNumber=')) return false;
      stop.abort(new Error('killed'));
      return false;
    };
    await expect(copy({ signal: stop.signal, concurrency: 1 })).rejects.toThrow('killed');
    const [left] = s3.uploads.values();
    const there = left?.parts.size ?? 0;
    expect(there).toBeGreaterThan(0);
    s3.fault = null;
    s3.calls.length = 0;
    expect(await copy()).toMatchObject({ copied: 1, failed: [] });
    expect(partsPut()).toHaveLength(5 - there);
    expect(stored()).toBe(hash('md5', song));
    expect(s3.uploads.size).toBe(0);
  });

  it.each([hash('md5', song), compositeEtagOf(md5sOf(song)), 'W1'])(
    'never takes over a part that is not the source’s (ETag %s)',
    async (etag) => {
      s3.place('old/song', song, etag);
      const wrong = new Map([[2, randomBytes(PART)]]);
      s3.uploads.set('left', { path: 'new/song', headers: {}, parts: wrong });
      expect(await copy()).toMatchObject({ copied: 1, failed: [] });
      expect(stored()).toBe(hash('md5', song));
      expect(s3.uploads.size).toBe(0);
    },
  );

  it('is made of its parts as the store names them, which need not be by their MD5s', async () => {
    s3.namesPart = (md5) => `part-${md5.slice(0, 8)}`;
    s3.place('old/song', song);
    expect(await copy()).toMatchObject({ copied: 1, failed: [] });
    expect(stored()).toBe(hash('md5', song));
  });

  it('leaves alone an upload that somebody else has begun in other parts', async () => {
    s3.place('old/song', song);
    s3.uploads.set('theirs', { path: 'new/song', headers: {}, parts: new Map([[1, randomBytes(6 * MIB)]]) });
    await copy();
    expect([...s3.uploads.keys()]).toEqual(['theirs']);
  });

  it.each([1, 2])('is looked at when the answer to its completion is lost %i times', async (times) => {
    s3.place('old/song', song);
    let lost = 0;
    s3.loses = (call) => call.startsWith('POST new/song?uploadId') && lost++ < times;
    expect(await copy()).toMatchObject({ copied: 1, failed: [] });
    expect(stored()).toBe(hash('md5', song));
    expect(s3.calls.filter((call) => call.startsWith('POST new/song?uploadId'))).toHaveLength(1);
  });

  it('is completed again when the completion itself had failed', async () => {
    s3.place('old/song', song);
    let refused = 0;
    s3.fault = (call, _request, response) =>
      call.startsWith('POST new/song?uploadId') && refused++ < 2 && refuse(response, 500, 'InternalError');
    expect(await copy()).toMatchObject({ copied: 1, failed: [] });
    expect(stored()).toBe(hash('md5', song));
  });

  it('that becomes another one while it is read is begun anew, and the two are never mixed', async () => {
    s3.place('old/song', song);
    const other = randomBytes(3 * PART + 1);
    let read = 0;
    s3.fault = (call) => {
      if (call === 'GET old/song' && ++read === 2) s3.place('old/song', other);
      return false;
    };
    expect(await copy()).toMatchObject({ copied: 1, failed: [] });
    expect(stored()).toBe(hash('md5', other));
    expect(s3.uploads.size).toBe(0);
  });

  it('that vanishes while it is read is counted as gone, and nothing of it is left', async () => {
    s3.place('old/song', song);
    let read = 0;
    s3.fault = (call) => {
      if (call === 'GET old/song' && ++read === 2) s3.objects.delete('old/song');
      return false;
    };
    expect(await copy()).toMatchObject({ copied: 0, gone: 1, failed: [] });
    expect(s3.uploads.size).toBe(0);
    expect(stored()).toBeUndefined();
  });
});

describe('a copy within one store', () => {
  it('moves no byte through here, and keeps the metadata', async () => {
    s3.place('old/a b+ü', 'bytes', undefined, { 'content-type': 'audio/wav', 'x-amz-meta-mtime': '12.5' });
    const result = await copy({ from: s3.store('old'), to: s3.store('new') });
    expect(result).toMatchObject({ copied: 1, failed: [] });
    expect(s3.objects.get('new/a b+ü')).toMatchObject({
      bytes: Buffer.from('bytes'),
      headers: { 'content-type': 'audio/wav', 'x-amz-meta-mtime': '12.5' },
    });
    expect(s3.calls.filter((call) => call.startsWith('GET old/'))).toEqual([]);
  });

  it('takes the bytes by hand where the store does not know how', async () => {
    s3.place('old/a', 'bytes');
    s3.fault = (_call, request, response) =>
      request.headers['x-amz-copy-source'] !== undefined && refuse(response, 501, 'NotImplemented');
    expect(await copy({ from: s3.store('old'), to: s3.store('new') })).toMatchObject({ copied: 1, failed: [] });
    expect(s3.objects.get('new/a')?.bytes.toString()).toBe('bytes');
  });
});
