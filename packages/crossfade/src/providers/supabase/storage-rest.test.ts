import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import {
  startTemporaryProject,
  type TemporaryProject,
} from '../../../../local-cloud/src/supabase/temporary-project.ts';
import { compareKeys } from '../../transfer/key-range.ts';
import { FAULTS, startFaultyVendor } from '../fixtures/faulty-vendor.ts';
import { ProviderError } from '../provider-error.ts';
import { createStorageRest } from './storage-rest.ts';
import { NO_META } from '../object-meta.ts';

const CANARY = 'canary-service-key';
const KEYS = ['b/two.wav', 'a.wav', 'b.wav', "b/q (1)+'&$=@;:,.wav", 'b/c/d', 'empty', 'a-/x'];
let project: TemporaryProject;
let store: ReturnType<typeof createStorageRest>;

beforeAll(async () => {
  project = await startTemporaryProject('127.0.0.57');
  store = rest(project.url);
  for (const key of KEYS) await upload(key, key === 'empty' ? '' : `bytes of ${key}`);
});
afterAll(async () => {
  await store.close();
  await project.close();
});

function rest(url: string, over: { serviceKey?: string; bucket?: string } = {}) {
  return createStorageRest({
    label: 'rest:media',
    url,
    serviceKey: project.serviceKey,
    bucket: 'media',
    ...over,
  });
}

async function upload(key: string, text: string): Promise<void> {
  const path = key.split('/').map(encodeURIComponent).join('/');
  const headers = {
    ...project.service,
    'content-type': 'audio/wav',
    'cache-control': 'max-age=60',
    'x-upsert': 'true',
  };
  const answer = await fetch(`${project.url}/storage/v1/object/media/${path}`, { method: 'POST', headers, body: text });
  expect(answer.ok, await answer.text()).toBe(true);
}

async function keysOf(listing: AsyncIterable<{ key: string }>): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of listing) keys.push(key);
  return keys;
}

describe('Supabase Storage over REST', () => {
  it('lists every key in byte order, from a prefix and past a key', async () => {
    const sorted = KEYS.toSorted(compareKeys);
    expect(await keysOf(store.list())).toEqual(sorted);
    expect(await keysOf(store.list('b/'))).toEqual(sorted.filter((key) => key.startsWith('b/')));
    expect(await keysOf(store.list('', 'b.wav'))).toEqual(sorted.filter((key) => compareKeys(key, 'b.wav') > 0));
  });

  it('walks the folders of a project that has no flat listing yet, with the same answer', async () => {
    const old = await withoutFlatListing(project.url);
    const other = rest(old.url);
    onTestFinished(async () => {
      await other.close();
      old.server.close();
    });
    for (const [prefix, after] of [
      ['', ''],
      ['b/', ''],
      ['b', ''],
      ['', 'b.wav'],
    ] as const)
      expect(await keysOf(other.list(prefix, after))).toEqual(await keysOf(store.list(prefix, after)));
    expect(old.refused()).toBe(4);
  });

  it.each(KEYS)('hands out %j with its bytes, MD5 and metadata', async (key) => {
    const text = key === 'empty' ? '' : `bytes of ${key}`;
    const etag = createHash('md5').update(text).digest('hex');
    const opened = await store.get(key);
    const chunks: Buffer[] = [];
    for await (const chunk of opened?.body ?? []) chunks.push(Buffer.from(chunk));
    expect(Buffer.concat(chunks).toString()).toBe(text);
    expect(opened).toMatchObject({
      key,
      size: text.length,
      etag,
      meta: { contentType: 'audio/wav', cacheControl: 'max-age=60' },
    });
    expect(await store.head(key)).toMatchObject({ key, size: text.length, etag, meta: { contentType: 'audio/wav' } });
  });

  it('reads a range, and knows nothing of what is not there', async () => {
    const opened = await store.get('a.wav', { start: 6, end: 7 });
    expect(await opened?.body.toArray()).toEqual([Buffer.from('of')]);
    expect([await store.get('nothing'), await store.head('nothing')]).toEqual([null, null]);
  });

  it('lists more than a page, each key once', async () => {
    const keys = Array.from({ length: 1050 }, (_, index) => `many/${String(index).padStart(5, '0')}`);
    for (let at = 0; at < keys.length; at += 50)
      await Promise.all(keys.slice(at, at + 50).map((key) => upload(key, 'x')));
    expect(await keysOf(store.list('many/'))).toEqual(keys);
  });

  it('is never written to', async () => {
    const put = store.put('a.wav', Buffer.from('x'), 1, NO_META);
    await expect(put).rejects.toThrow('only read over REST');
    await expect(store.delete('a.wav')).rejects.toThrow('only read over REST');
    expect(await store.head('a.wav')).toMatchObject({ size: 'bytes of a.wav'.length });
  });

  it.each([
    ['another key', { serviceKey: CANARY }, 403],
    ['a bucket that is not there', { bucket: 'nothing' }, 404],
  ])('refuses %s, and the error holds no credential', async (_name, over, status) => {
    const other = rest(project.url, over);
    onTestFinished(() => other.close());
    const error: unknown = await keysOf(other.list()).catch((one: unknown) => one);
    expect(error).toMatchObject({ status });
    expect(String(error)).not.toContain('canary');
  });
});

describe.each(Object.entries(FAULTS))('when a call to Storage over REST %s', (fault, answer) => {
  it('it fails with an error that names the call, and no credential', async () => {
    const vendor = await startFaultyVendor(answer);
    const faulty = rest(vendor.url, { serviceKey: CANARY });
    onTestFinished(async () => {
      await vendor.close();
      await faulty.close();
    });
    const calls: Record<string, () => Promise<unknown>> = {
      list: () => keysOf(faulty.list()),
      head: () => faulty.head('x'),
      get: () => faulty.get('x'),
    };
    // A page or JSON below a 200 is an object like any other.
    if (/HTML|another shape/.test(fault)) delete calls['get'];
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
});

/** The project as an older one: it answers that it has no flat listing. */
async function withoutFlatListing(origin: string): Promise<{ url: string; server: Server; refused: () => number }> {
  let refused = 0;
  const server = createServer((request, response) => {
    const answer = async (): Promise<void> => {
      if (request.url?.includes('/list-v2/') === true) {
        refused++;
        const message = 'Feature not enabled';
        response.writeHead(400, { 'content-type': 'application/json' });
        response.end(
          JSON.stringify({ statusCode: '403', error: 'FeatureNotEnabled', code: 'FeatureNotEnabled', message }),
        );
        return;
      }
      const body = Buffer.concat(await request.toArray());
      const headers = { authorization: request.headers.authorization ?? '', 'content-type': 'application/json' };
      const told = await fetch(`${origin}${request.url ?? ''}`, {
        method: request.method ?? 'GET',
        headers,
        body: request.method === 'POST' ? body : null,
      });
      response.writeHead(told.status, { 'content-type': 'application/json' });
      response.end(Buffer.from(await told.arrayBuffer()));
    };
    answer().catch((error: unknown) => response.destroy(error instanceof Error ? error : new Error(String(error))));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { url: `http://127.0.0.1:${address.port}`, server, refused: () => refused };
}
