import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startS3Server, type S3Server } from '../../transfer/fixtures/s3-server.ts';
import type { ObjectStore } from '../providers.ts';
import { ObjectChanged } from '../store-abilities.ts';

const TEXT = 'a song of so many bytes';
let s3: S3Server;

beforeEach(async () => {
  s3 = await startS3Server();
  s3.place('old/song', TEXT, 'version-1');
});
afterEach(() => s3.close());

/** The server answers a GET with this instead. */
function answers(status: number, headers: Record<string, string | number>, body: string): void {
  s3.fault = (call, _request, response) => {
    if (!call.startsWith('GET old/song')) return false;
    response.writeHead(status, headers).end(body);
    return true;
  };
}
const read = (bytes: number, offset = 0, size = TEXT.length) =>
  s3.store('old').read('song', Buffer.alloc(bytes), { offset, size, etag: 'version-1' });

async function firstOf(store: ObjectStore): Promise<string | null> {
  for await (const { key } of store.list()) return key;
  return null;
}

describe('a listing that cannot be read', () => {
  it.each([
    ['<html>A proxy says hello</html>', 'the answer is no whole listing'],
    [
      '<ListBucketResult><CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes></ListBucketResult>',
      'the listing has folders in the place of their objects',
    ],
    ['<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>', 'has more, and does not say where'],
  ])('names the bucket and why: %s', async (body, reason) => {
    s3.fault = (_call, _request, response) => {
      response.writeHead(200).end(body);
      return true;
    };
    const error: unknown = await firstOf(s3.store('old')).catch((one: unknown) => one);
    expect(error).toMatchObject({ code: 'malformed', hint: expect.stringContaining('base URL') });
    expect(String(error)).toMatch(/^ProviderError: s3:old: .*an answer of an unknown shape: /);
    expect(String(error)).toContain(reason);
  });
});

describe('an object that is opened', () => {
  it('gives the range that was asked for', async () => {
    const opened = await s3.store('old').get('song', { start: 2, end: 5 });
    expect([opened?.size, Buffer.concat((await opened?.body.toArray()) ?? []).toString()]).toEqual([4, 'song']);
  });

  it('is refused when the server sends all of it instead of a range', async () => {
    answers(200, { 'content-length': TEXT.length, etag: '"version-1"' }, TEXT);
    await expect(s3.store('old').get('song', { start: 2, end: 5 })).rejects.toThrow('the range was not heeded');
  });

  it('is refused when nobody says how long it is: a body that breaks off would look whole', async () => {
    answers(200, { etag: '"version-1"' }, TEXT);
    await expect(s3.store('old').get('song')).rejects.toThrow('the length of the body is not announced');
  });
});

describe('an object that is read into a buffer', () => {
  it('fills it, whole or from an offset on', async () => {
    const [whole, part] = [Buffer.alloc(TEXT.length), Buffer.alloc(4)];
    const version = { size: TEXT.length, etag: 'version-1' };
    await s3.store('old').read('song', whole, { offset: 0, ...version });
    await s3.store('old').read('song', part, { offset: 2, ...version });
    expect([whole.toString(), part.toString()]).toEqual([TEXT, 'song']);
  });

  it('is nothing when it is not there', async () => {
    s3.objects.clear();
    expect(await read(TEXT.length)).toBeNull();
  });

  it.each([
    ['of another version', 200, 'version-2', TEXT],
    ['shorter', 200, 'version-1', TEXT.slice(1)],
    ['longer', 200, 'version-1', `${TEXT}!`],
  ])('has changed when what comes is %s', async (_what, status, etag, body) => {
    answers(status, { 'content-length': body.length, etag: `"${etag}"` }, body);
    await expect(read(TEXT.length)).rejects.toThrow(ObjectChanged);
  });

  it('has changed when the version that a part is of is gone', async () => {
    s3.place('old/song', TEXT, 'version-2');
    await expect(read(4, 2)).rejects.toThrow(ObjectChanged);
  });

  it('is refused when as many bytes come from its beginning instead of the range', async () => {
    answers(200, { 'content-length': 4, etag: '"version-1"' }, TEXT.slice(0, 4));
    await expect(read(4, 2)).rejects.toThrow('the range was not heeded');
  });
});
