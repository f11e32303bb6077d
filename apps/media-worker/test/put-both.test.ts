import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { Miniflare } from 'miniflare';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startOnLegacy } from './worker-on-legacy.ts';

const KEY = 'users/u/uploads/a.wav';
const MEBIBYTE = 1024 * 1024;
const bytes = (size: number, seed = 0): Buffer =>
  Buffer.from(Uint8Array.from({ length: size }, (_, at) => (at * 7 + seed) % 251));
const md5 = (body: Uint8Array): string => createHash('md5').update(body).digest('hex');

let legacy: Server;
let mf: Miniflare;
/** What legacy holds, and what R2 had at the moment at which legacy had all of it. */
let received: { body: Buffer; inR2: string | null } | null;
let legacyStatus: number;

beforeAll(async () => {
  legacy = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', async () => {
      const body = Buffer.concat(chunks);
      received = { body, inR2: await etagInR2() };
      response.writeHead(legacyStatus, { etag: `"legacy-${md5(body)}"` }).end();
    });
    // Cut short: nothing was stored.
    request.on('error', () => response.destroy());
  });
  mf = await startOnLegacy('./put-both-worker.ts', legacy);
});
afterAll(async () => {
  await mf.dispose();
  legacy.close();
});
beforeEach(async () => {
  [received, legacyStatus] = [null, 200];
  await (await mf.getR2Bucket('MEDIA')).delete(KEY);
});

const etagInR2 = async (): Promise<string | null> => (await (await mf.getR2Bucket('MEDIA')).head(KEY))?.etag ?? null;

async function put(body: Uint8Array, r2 = '', size = body.byteLength): Promise<{ status: number; text: string }> {
  const headers = { 'x-r2': r2, 'x-size': String(size) };
  const answer = await mf.dispatchFetch('http://worker/', { method: 'PUT', headers, body });
  return { status: answer.status, text: await answer.text() };
}

describe('an upload while the bypass serves', () => {
  it.each([0, 1, 70_000, 3 * MEBIBYTE])('of %i bytes is in both stores, with R2’s ETag', async (size) => {
    const body = bytes(size);
    expect(await put(body)).toEqual({ status: 200, text: JSON.stringify({ etag: md5(body) }) });
    expect(received?.body.equals(body)).toBe(true);
    expect(await etagInR2()).toBe(md5(body));
    const stored = await (await mf.getR2Bucket('MEDIA')).head(KEY);
    expect(stored?.customMetadata).toEqual({ 'crossfade-legacy': 'written-to-both' });
  });

  it.each([1, 70_000, 3 * MEBIBYTE])(
    'of %i bytes is whole in R2 before legacy has it all, however slow R2 is',
    async (size) => {
      const body = bytes(size, 3);
      expect((await put(body, 'slow')).status).toBe(200);
      expect(received).toEqual({ body, inR2: md5(body) });
    },
  );

  it.each(['refusing', 'silent'])('is in legacy when R2 is %s, and has legacy’s ETag', async (r2) => {
    const body = bytes(200_000);
    expect(await put(body, r2)).toEqual({ status: 200, text: JSON.stringify({ etag: `legacy-${md5(body)}` }) });
    expect(received?.body.equals(body)).toBe(true);
    expect(await etagInR2()).toBeNull();
  });

  it('is taken back from R2 when R2 stores it after legacy alone had to take it: legacy may have a later one by then', async () => {
    expect((await put(bytes(1000), 'late')).status).toBe(200);
    const calls = async () => (await mf.dispatchFetch('http://worker/')).json();
    await expect.poll(calls, { timeout: 10_000 }).toEqual(['stored', 'deleted']);
    expect(await etagInR2()).toBeNull();
  });

  it('that is deleted has left R2 before legacy hears of it: the mirror finds it in neither after that', async () => {
    await put(bytes(1000));
    const answer = await mf.dispatchFetch('http://worker/', { method: 'DELETE' });
    expect(answer.status).toBe(204);
    expect(received).toEqual({ body: Buffer.alloc(0), inR2: null });
  });

  it('fails when legacy does not take it', async () => {
    legacyStatus = 507;
    const text = '503 LEGACY_UNAVAILABLE';
    expect(await put(bytes(1000))).toEqual({ status: 502, text });
  });

  it.each([999, 1001])('is in neither store when it was to have %i bytes and has 1,000', async (size) => {
    expect((await put(bytes(1000), '', size)).status).toBe(502);
    expect([received, await etagInR2()]).toEqual([null, null]);
  });
});
