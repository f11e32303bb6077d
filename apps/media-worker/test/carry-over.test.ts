import type { Server } from 'node:http';
import type { Miniflare } from 'miniflare';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLegacyDouble, oneObject, REFUSALS, refusal, type OneObject } from './legacy-double.ts';
import { startOnLegacy } from './worker-on-legacy.ts';

const KEY = 'users/u/uploads/a.wav';

let legacy: Server;
let mf: Miniflare;
let object: OneObject;

beforeAll(async () => {
  legacy = createLegacyDouble(() => object);
  mf = await startOnLegacy('./carry-over-worker.ts', legacy);
});
afterAll(async () => {
  await mf.dispose();
  legacy.close();
});
beforeEach(async () => {
  object = oneObject('the bytes of legacy');
  await (await mf.getR2Bucket('MEDIA')).delete(KEY);
});

const inR2 = async () => (await mf.getR2Bucket('MEDIA')).head(KEY);
/** Who has it, without asking for its bytes. */
async function find(): Promise<string> {
  const answer = await mf.dispatchFetch('http://worker/', { method: 'HEAD' });
  return answer.headers.get('x-audafact-source') ?? String(answer.status);
}
const get = async (): Promise<[number, string]> => {
  const answer = await mf.dispatchFetch('http://worker/');
  return [answer.status, await answer.text()];
};
const remove = async (): Promise<number> => (await mf.dispatchFetch('http://worker/', { method: 'DELETE' })).status;
const UNAVAILABLE = [503, expect.stringContaining('"code":"LEGACY_UNAVAILABLE"')];

it('what R2 lacks is carried over, and says that legacy has it', async () => {
  expect(await find()).toBe('legacy');
  await expect.poll(inR2).toMatchObject({ customMetadata: { 'crossfade-legacy': 'carried-over' } });
  expect(await find()).toBe('r2');
});

it('what is deleted while it is carried over does not come back', async () => {
  const body = Promise.withResolvers<void>();
  object.gates.body = body.promise;
  await find();
  await expect.poll(() => object.asked).toContain('GET');
  expect(await remove()).toBe(204);
  const before = object.asked.length;
  body.resolve();
  await expect.poll(() => object.asked.slice(before)).toEqual(['HEAD', 'GET']);
  await expect.poll(inR2).toBeNull();
});

it('what is carried over while it is being deleted is deleted with it', async () => {
  object.gates.delete = async () => {
    await find();
    await expect.poll(inR2).not.toBeNull();
    await expect.poll(() => object.asked.filter((method) => method === 'HEAD')).toHaveLength(2);
  };
  expect(await remove()).toBe(204);
  expect(await inR2()).toBeNull();
});

it('what is carried over stays when legacy cannot tell any more whether it has it', async () => {
  const body = Promise.withResolvers<void>();
  object.gates.body = body.promise;
  await find();
  await expect.poll(() => object.asked).toContain('GET');
  object.refused = refusal(REFUSALS.expiredKey);
  const before = object.asked.length;
  body.resolve();
  await expect.poll(() => object.asked.slice(before)).toEqual(['HEAD', 'GET']);
  expect(await inR2()).not.toBeNull();
});

describe('what legacy refuses', () => {
  it.each(['notThere', 'notThereByCode', 'impossibleKey'] as const)('as %s is not there', async (reason) => {
    for (const status of [400, 404]) {
      object.refused = refusal(REFUSALS[reason], status);
      expect(await get()).toEqual([404, 'nowhere']);
      expect(await remove()).toBe(204);
    }
  });

  it.each(['expiredKey', 'rotatedKey', 'noBucket', 'noRoute'] as const)(
    'as %s is neither not there nor deleted: it has a code of its own',
    async (reason) => {
      for (const status of [400, 403, 404]) {
        object.refused = refusal(REFUSALS[reason], status);
        expect(await get()).toEqual(UNAVAILABLE);
        expect(await remove()).toBe(503);
      }
    },
  );

  it.each([
    ['without a body', 400, ''],
    ['without a body, as not found', 404, ''],
    ['with a page of a gateway', 404, '<html>404 not_found</html>'],
    ['in JSON of another shape', 400, '["404","not_found"]'],
    ['by its gateway', 401, '{"message":"Invalid API key"}'],
    ['with too many requests', 429, JSON.stringify(REFUSALS.notThere)],
    ['with trouble of its own', 500, JSON.stringify(REFUSALS.notThere)],
    ['with its database timed out', 544, '{"statusCode":"544","error":"DatabaseTimeout"}'],
  ])('%s says nothing about the object', async (_name, status, body) => {
    object.refused = { status, body };
    expect(await get()).toEqual(UNAVAILABLE);
    if (status < 429) expect(await remove()).toBe(503);
  });

  it('is not told to whoever asked, nor who asked it', async () => {
    object.refused = refusal(REFUSALS.expiredKey);
    const [, text] = await get();
    for (const inner of ['canary-service-key', 'timestamp', 'Unauthorized', '127.0.0.1'])
      expect(text).not.toContain(inner);
  });
});

describe('what is carried over', () => {
  const KEPT = {
    contentType: 'audio/mpeg; name="Déjà.mp3"',
    cacheControl: 'public, max-age=60',
    contentDisposition: 'attachment; filename="Beyoncé.mp3"',
    contentLanguage: 'fr, ja',
    cacheExpiry: new Date('2030-01-01T00:00:00Z'),
  };
  // Node writes header text as Latin-1: so these are the bytes of UTF-8, as some servers send them.
  const raw = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

  it('keeps its system headers, and its custom metadata whatever its script', async () => {
    object.headers = {
      etag: '"e"',
      'content-type': 'audio/mpeg',
      'cache-control': 'no-cache',
      'content-disposition': raw(KEPT.contentDisposition),
      'content-language': KEPT.contentLanguage,
      expires: 'Tue, 01 Jan 2030 00:00:00 GMT',
    };
    const long = 'x'.repeat(2000);
    object.info = {
      content_type: KEPT.contentType,
      cache_control: KEPT.cacheControl,
      metadata: {
        Title: 'Beyoncé',
        artist: '音楽',
        blanks: '  two  ',
        latin: 'café',
        long,
        year: 2003,
        tags: ['a', 'b'],
      },
    };
    await find();
    await expect.poll(inR2).not.toBeNull();
    const { httpMetadata, customMetadata } = (await inR2()) ?? {};
    expect(httpMetadata).toEqual(KEPT);
    expect(customMetadata).toEqual({
      title: 'Beyoncé',
      artist: '音楽',
      blanks: '  two  ',
      latin: 'café',
      long,
      year: '2003',
      tags: '["a","b"]',
      'crossfade-legacy': 'carried-over',
    });
  });

  const carriedWith = async (headers: Record<string, string>, info: OneObject['info']) => {
    object.headers = { ...object.headers, ...headers };
    object.info = info;
    await find();
    await expect.poll(inR2).not.toBeNull();
    expect(await get()).toEqual([200, 'the bytes of legacy']);
    return (await inR2())?.httpMetadata;
  };

  it('has headers in raw UTF-8 read as UTF-8', async () => {
    const disposition = 'inline; filename="Beyoncé 音.mp3"';
    expect(await carriedWith({ 'content-disposition': raw(disposition) }, {})).toMatchObject({
      contentDisposition: disposition,
    });
  });

  it('has a type and a cache header that came in Latin-1 as its row has them', async () => {
    const [contentType, cacheControl] = ['audio/mpeg; name="café"', 'private, x="café"'];
    const info = { content_type: contentType, cache_control: cacheControl };
    expect(await carriedWith({ 'content-type': contentType, 'cache-control': cacheControl }, info)).toEqual({
      contentType,
      cacheControl,
    });
  });

  it('has what its headers tell where the server is older than custom metadata', async () => {
    const headers = { 'cache-control': 'max-age=60' };
    const expected = { contentType: 'audio/wav', cacheControl: 'max-age=60' };
    expect(await carriedWith(headers, { status: 200, body: '' })).toEqual(expected);
  });

  it('has no Expires that is no date, which R2 cannot keep', async () => {
    expect(await carriedWith({ expires: '0' }, {})).toEqual({ contentType: 'audio/wav' });
  });

  it.each([
    ['its metadata is refused', {}, refusal(REFUSALS.expiredKey)],
    ['its metadata is no JSON', {}, { status: 200, body: '<html>' }],
    ['its metadata is JSON of another shape', {}, { status: 200, body: '["a"]' }],
    // The runtime reads headers as UTF-8; the byte is lost by the time that we see it.
    ['a header came in Latin-1', { 'content-disposition': 'inline; filename="café.mp3"' }, {}],
  ])('stays in legacy, and is served from there, when %s', async (_name, headers, info) => {
    object.headers = { ...object.headers, ...headers };
    object.info = info;
    for (let reads = 1; reads < 3; reads++) {
      expect(await get()).toEqual([200, 'the bytes of legacy']);
      await expect.poll(() => object.asked.filter((one) => one === 'INFO')).toHaveLength(reads);
    }
    expect(await inR2()).toBeNull();
  });
});
