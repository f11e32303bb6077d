import { createServer, type Server } from 'node:http';
import type { Miniflare } from 'miniflare';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { startOnLegacy } from './worker-on-legacy.ts';

const KEY = 'users/u/uploads/a.wav';
const BODY = Buffer.from('the bytes of legacy');

let legacy: Server;
let mf: Miniflare;
let inLegacy: boolean;
/** What legacy was asked, in order. */
let asked: string[];
/** Each is waited for before legacy sends the body, or deletes. */
let gates: { body: Promise<unknown>; delete: () => Promise<unknown> };

beforeAll(async () => {
  legacy = createServer(async ({ method = '' }, response) => {
    asked.push(method);
    if (!inLegacy) return void response.writeHead(404).end();
    if (method === 'DELETE') {
      await gates.delete();
      inLegacy = false;
    }
    const size = method === 'DELETE' ? 0 : BODY.byteLength;
    response.writeHead(200, { etag: '"e"', 'content-length': size, 'content-type': 'audio/wav' });
    if (method !== 'GET') return void response.end();
    response.flushHeaders();
    await gates.body;
    response.end(BODY);
  });
  mf = await startOnLegacy('./carry-over-worker.ts', legacy);
});
afterAll(async () => {
  await mf.dispose();
  legacy.close();
});
beforeEach(async () => {
  [inLegacy, asked, gates] = [true, [], { body: Promise.resolve(), delete: () => Promise.resolve() }];
  await (await mf.getR2Bucket('MEDIA')).delete(KEY);
});

const inR2 = async () => (await mf.getR2Bucket('MEDIA')).head(KEY);
const read = async (): Promise<string> => (await mf.dispatchFetch('http://worker/')).text();
const remove = async (): Promise<number> => (await mf.dispatchFetch('http://worker/', { method: 'DELETE' })).status;

it('what R2 lacks is carried over, and says that legacy has it', async () => {
  expect(await read()).toBe('legacy');
  await expect.poll(inR2).toMatchObject({ customMetadata: { 'crossfade-legacy': 'carried-over' } });
  expect(await read()).toBe('r2');
});

it('what is deleted while it is carried over does not come back', async () => {
  const body = Promise.withResolvers<void>();
  gates.body = body.promise;
  await read();
  await expect.poll(() => asked).toContain('GET');
  expect(await remove()).toBe(204);
  const before = asked.length;
  body.resolve();
  await expect.poll(() => asked.slice(before)).toEqual(['HEAD']);
  await expect.poll(inR2).toBeNull();
});

it('what is carried over while it is being deleted is deleted with it', async () => {
  gates.delete = async () => {
    await read();
    await expect.poll(inR2).not.toBeNull();
    await expect.poll(() => asked.filter((method) => method === 'HEAD')).toHaveLength(2);
  };
  expect(await remove()).toBe(204);
  expect(await inR2()).toBeNull();
});
