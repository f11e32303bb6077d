import { hash, randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compositeEtagOf } from '../providers/s3/parts.ts';
import { copyObjects, type CopyOptions } from './copy.ts';
import { MIB, refuse, startS3Server, type S3Server } from './fixtures/s3-server.ts';
import { prefixedStore } from './prefixed-store.ts';
import type { TransferProgress } from './progress.ts';
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

  it.each([
    ['prefixes of one bucket', 'old', 'old'],
    ['prefixes of two buckets', 'old', 'new'],
  ])('does so between %s, and touches nothing besides', async (_name, source, target) => {
    for (const key of ['users/1/a b+ü', 'users/2', 'users', 'moved/other', '1/a b+ü'])
      s3.place(`old/${key}`, `bytes of ${key}`);
    const before = new Map(s3.objects);
    const seen: TransferProgress[] = [];
    const result = await copy({
      from: prefixedStore(s3.store(source), 'users/'),
      to: prefixedStore(s3.store(target), 'moved/to/'),
      onProgress: (progress) => seen.push(progress),
    });
    expect(result).toMatchObject({ copied: 2, failed: [] });
    const added = [...s3.objects].filter(([path]) => !before.has(path));
    expect(added.map(([path, { bytes }]) => [path, bytes.toString()])).toEqual([
      [`${target}/moved/to/1/a b+ü`, 'bytes of users/1/a b+ü'],
      [`${target}/moved/to/2`, 'bytes of users/2'],
    ]);
    for (const [path, object] of before) expect(s3.objects.get(path)).toBe(object);
    expect(s3.calls.filter((call) => call.startsWith('GET old/'))).toEqual([]);
    // The view shows what the store has copied by itself as well.
    expect(seen.at(-1)).toMatchObject({ objects: 2, bytes: result.bytes, totalBytes: result.bytes });
  });

  it('is none where another credential opens the same bucket', async () => {
    s3.place('old/users/1', 'bytes');
    const [from, to] = [s3.store('old'), s3.store('old', { secretAccessKey: 'another' })];
    await copy({ from: prefixedStore(from, 'users/'), to: prefixedStore(to, 'moved/') });
    expect(s3.objects.get('old/moved/1')?.bytes.toString()).toBe('bytes');
    expect(s3.calls.filter((call) => call.startsWith('GET old/users'))).toHaveLength(1);
  });

  it('does not take another version than it looked at', async () => {
    s3.place('old/users/1', 'bytes');
    let copies = 0;
    s3.fault = (_call, request) => {
      if (request.headers['x-amz-copy-source'] !== undefined && copies++ === 0) s3.place('old/users/1', 'other bytes');
      return false;
    };
    const store = s3.store('old');
    expect(await copy({ from: prefixedStore(store, 'users/'), to: prefixedStore(store, 'moved/') })).toMatchObject({
      copied: 1,
      failed: [],
    });
    expect([copies, s3.objects.get('old/moved/1')?.bytes.toString()]).toEqual([2, 'other bytes']);
  });

  it('takes the bytes by hand where the store takes a copy for an empty object, and tries that no more', async () => {
    for (const key of ['a', 'b', 'c']) s3.place(`old/${key}`, `bytes of ${key}`);
    let copies = 0;
    s3.fault = (_call, request) => {
      if (request.headers['x-amz-copy-source'] !== undefined) copies++;
      delete request.headers['x-amz-copy-source'];
      return false;
    };
    const result = await copy({ from: s3.store('old'), to: s3.store('new'), concurrency: 1 });
    expect(result).toMatchObject({ copied: 3, failed: [] });
    expect(['a', 'b', 'c'].map((key) => s3.objects.get(`new/${key}`)?.bytes.toString())).toEqual([
      'bytes of a',
      'bytes of b',
      'bytes of c',
    ]);
    expect(copies).toBe(1);
  });

  it('takes the bytes by hand where the store takes a part that is to be copied for an empty one', async () => {
    const copyLimits = { mostWholeBytes: MIB, partBytes: 5 * MIB };
    const song = randomBytes(6 * MIB);
    s3.place('old/song', song);
    let copies = 0;
    s3.fault = (_call, request) => {
      if (request.headers['x-amz-copy-source'] !== undefined) copies++;
      delete request.headers['x-amz-copy-source'];
      return false;
    };
    const [from, to] = [s3.store('old', { copyLimits }), s3.store('new', { copyLimits })];
    expect(await copy({ from, to })).toMatchObject({ copied: 1, failed: [] });
    expect(s3.objects.get('new/song')?.bytes.equals(song)).toBe(true);
    // The upload that was begun for the copy is gone.
    expect([copies, s3.uploads.size]).toEqual([1, 0]);
  });

  it('is asked for again when it fails after the store has begun to answer 200', async () => {
    s3.place('old/a', 'bytes');
    let copies = 0;
    s3.fault = (_call, request, response) => {
      if (request.headers['x-amz-copy-source'] === undefined || copies++ > 0) return false;
      response.end('<Error><Code>InternalError</Code><Message>try again</Message></Error>');
      return true;
    };
    expect(await copy({ from: s3.store('old'), to: s3.store('new') })).toMatchObject({ copied: 1, failed: [] });
    expect([copies, s3.objects.get('new/a')?.bytes.toString()]).toEqual([2, 'bytes']);
    expect(s3.calls.filter((call) => call.startsWith('GET old/a'))).toEqual([]);
  });

  it('is no copy when the store says itself that it holds other bytes', async () => {
    s3.place('old/a', 'bytes');
    const other = hash('md5', 'other bytes');
    s3.fault = (_call, request, response) => {
      if (request.headers['x-amz-copy-source'] === undefined) return false;
      s3.place('new/a', 'other');
      response.end(`<CopyObjectResult><ETag>"${other}"</ETag></CopyObjectResult>`);
      return true;
    };
    const { copied, failed } = await copy({ from: s3.store('old'), to: s3.store('new') });
    expect([copied, failed]).toEqual([0, [{ key: 'a', reason: expect.stringContaining(`and holds ${other}`) }]]);
    s3.fault = (_call, request, response) => {
      s3.objects.delete('new/a');
      if (request.headers['x-amz-copy-source'] === undefined) return false;
      response.end(`<CopyObjectResult><ETag>"${other}"</ETag></CopyObjectResult>`);
      return true;
    };
    expect((await copy({ from: s3.store('old'), to: s3.store('new') })).failed).toMatchObject([
      { reason: expect.stringContaining('and does not have it') },
    ]);
  });

  it('takes the bytes by hand where the store does not know how', async () => {
    s3.place('old/a', 'bytes');
    s3.fault = (_call, request, response) =>
      request.headers['x-amz-copy-source'] !== undefined && refuse(response, 501, 'NotImplemented');
    expect(await copy({ from: s3.store('old'), to: s3.store('new') })).toMatchObject({ copied: 1, failed: [] });
    expect(s3.objects.get('new/a')?.bytes.toString()).toBe('bytes');
  });
});
