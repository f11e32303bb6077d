import type { Server } from 'node:http';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import type { Miniflare } from 'miniflare';
import { request } from 'undici';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { deployWorker, type DeployedWorker } from './deployed-worker.ts';
import { createLegacyDouble, oneObject, type OneObject } from './legacy-double.ts';
import { startOnLegacy } from './worker-on-legacy.ts';

/*
 * An object with a Content-Encoding is served as it was stored, byte for byte, under that header: not compressed once more
 * and not decompressed (rclone#8137, cloudflare-docs#8491). Its size and its ranges are those of the stored bytes
 * (RFC 9110 §8.4, §14.1.2). All is asked over a plain socket, since `fetch` decodes what it is given.
 */
const PLAIN = Buffer.from('what was compressed before it was stored. '.repeat(200));
const CODED = [
  ['gzip', gzipSync(PLAIN)],
  ['br', brotliCompressSync(PLAIN)],
  // Nobody looks whether the label is true.
  ['gzip', PLAIN],
] as const;

async function ask(
  url: URL,
  headers: Record<string, string> = {},
  method: 'GET' | 'HEAD' = 'GET',
): Promise<{ status: number; headers: Record<string, unknown>; body: Buffer }> {
  const answer = await request(url, { method, headers });
  const body = Buffer.from(await answer.body.arrayBuffer());
  return { status: answer.statusCode, headers: answer.headers, body };
}

/** Whole, by HEAD and in ranges, asked by readers that know the coding and by one that does not. */
async function expectAsStored(url: URL, coding: string, stored: Buffer): Promise<void> {
  const size = String(stored.byteLength);
  for (const accepted of ['gzip, br', 'identity', undefined]) {
    const accept = accepted === undefined ? {} : { 'accept-encoding': accepted };
    const whole = await ask(url, accept);
    expect(whole).toMatchObject({ status: 200, headers: { 'content-encoding': coding, 'content-length': size } });
    expect(whole.body.equals(stored)).toBe(true);
    const part = await ask(url, { ...accept, range: 'bytes=5-20' });
    expect(part).toMatchObject({ status: 206, headers: { 'content-range': `bytes 5-20/${size}` } });
    expect(part.headers).toMatchObject({ 'content-encoding': coding, 'content-length': '16' });
    expect(part.body.equals(stored.subarray(5, 21))).toBe(true);
  }
  expect(await ask(url, {}, 'HEAD')).toMatchObject({ status: 200, headers: { 'content-length': size } });
  // A multipart of ranges would have to be coded itself: the range is ignored.
  const several = await ask(url, { range: 'bytes=0-1, 5-6' });
  expect([several.status, several.body.equals(stored)]).toEqual([200, true]);
}

describe('an object of R2 that was stored compressed', () => {
  let worker: DeployedWorker;
  beforeAll(async () => {
    worker = await deployWorker({ legacy: false });
  });
  afterAll(() => worker.close());

  it.each(CODED.map(([coding, stored], index) => ({ coding, stored, index })))(
    'as $coding ($stored.byteLength bytes) is served as it was stored, also once it is read again and again',
    async ({ coding, stored, index }) => {
      const { enterprise } = worker.users;
      for (const key of [`library/originals/${index}.wav`, `users/${enterprise}/uploads/${index}.wav`]) {
        await worker.query('insert into library_tracks (title, file_key) values ($1, $1)', [key]);
        await worker.putR2(key, stored, { contentType: 'audio/wav', contentEncoding: coding, contentLanguage: 'fr' });
        const { pathname, search } = new URL(await worker.sign(enterprise, key));
        const url = new URL(`${pathname}${search}`, worker.address);
        for (let reads = 0; reads < 2; reads++) await expectAsStored(url, coding, stored);
        expect((await ask(url)).headers).toMatchObject({ 'content-language': 'fr', 'content-type': 'audio/wav' });
        const stream = new URL(`/api/stream?key=${encodeURIComponent(key)}`, worker.address);
        const authorization = `Bearer ${await worker.token(enterprise)}`;
        const streamed = await ask(stream, { authorization, origin: 'https://studio.example' });
        expect(streamed.headers['content-encoding']).toBe(coding);
        expect(streamed.body.equals(stored)).toBe(true);
      }
    },
  );
});

describe('an object of legacy that was stored compressed', () => {
  let legacy: Server;
  let mf: Miniflare;
  let object: OneObject = oneObject('');
  beforeAll(async () => {
    legacy = createLegacyDouble(() => object);
    mf = await startOnLegacy('./carry-over-worker.ts', legacy);
  });
  afterAll(async () => {
    await mf.dispose();
    legacy.close();
  });
  beforeEach(async () => (await mf.getR2Bucket('MEDIA')).delete('users/u/uploads/a.wav'));

  it.each(CODED.map(([coding, stored]) => ({ coding, stored })))(
    'as $coding ($stored.byteLength bytes) is served and carried over as it was stored',
    async ({ coding, stored }) => {
      object = { ...oneObject(''), body: stored, headers: { 'content-type': 'audio/wav', 'content-encoding': coding } };
      const first = await ask(await mf.ready);
      expect([first.headers['content-encoding'], first.body.equals(stored)]).toEqual([coding, true]);
      const inR2 = async () => (await mf.getR2Bucket('MEDIA')).get('users/u/uploads/a.wav');
      await expect.poll(inR2).not.toBeNull();
      const carried = await inR2();
      expect(carried?.httpMetadata?.contentEncoding).toBe(coding);
      expect(await carried?.text()).toBe(stored.toString('utf8'));
      await expectAsStored(await mf.ready, coding, stored);
    },
  );
});
