import { hash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { copyObjects } from './copy.ts';
import { MIB, startS3Server, type S3Server } from './fixtures/s3-server.ts';
import { createFolderStore } from './folder-store.ts';
import { verifyObjects } from './verify.ts';

/** Above what is held in memory whole. */
const song = randomBytes(17 * MIB + 3);
const { signal } = new AbortController();
let s3: S3Server;
let folder: string;

beforeEach(async () => {
  s3 = await startS3Server();
  folder = await mkdtemp(join(tmpdir(), 'crossfade-streamed-'));
});
afterEach(async () => {
  await s3.close();
  await rm(folder, { recursive: true, force: true });
});

const stores = () => ({ from: s3.store('old'), to: createFolderStore({ path: folder, label: './media' }) });
const copy = () => copyObjects({ ...stores(), concurrency: 2, signal });
/** Names of files, those that are being written too. */
const files = async (): Promise<string[]> =>
  (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((one) => one.isFile())
    .map(({ name }) => name);

describe('a large object that goes to a folder', () => {
  it('arrives byte by byte, and is verified', async () => {
    s3.place('old/song', song, undefined, { 'content-type': 'audio/wav' });
    expect(await copy()).toMatchObject({ copied: 1, bytes: song.byteLength, failed: [] });
    expect((await readFile(join(folder, 'song'))).equals(song)).toBe(true);
    expect(await verifyObjects({ ...stores(), concurrency: 2, signal })).toMatchObject({ verified: 1, mismatched: [] });
  });

  it('is taken up again where it broke off', async () => {
    s3.place('old/song', song);
    let cut = 0;
    s3.fault = (call, _request, response) => {
      if (!call.startsWith('GET old/song') || cut++ > 0) return false;
      response.writeHead(200, { 'content-length': song.byteLength, etag: `"${hash('md5', song)}"` });
      response.write(song.subarray(0, 5 * MIB), () => response.destroy());
      return true;
    };
    expect(await copy()).toMatchObject({ copied: 1, failed: [] });
    expect(cut).toBe(2);
    expect((await readFile(join(folder, 'song'))).equals(song)).toBe(true);
  });

  it('takes the place of nothing when its bytes are not those of its own MD5, and others when read again', async () => {
    await writeFile(join(folder, 'song'), 'what was there');
    const told = hash('md5', 'other bytes');
    s3.place('old/song', song, told);
    let reads = 0;
    s3.fault = (call) => {
      if (call === 'GET old/song') s3.place('old/song', Buffer.concat([song.subarray(1), Buffer.of(reads++)]), told);
      return false;
    };
    const { copied, failed } = await copy();
    expect(copied).toBe(0);
    expect(failed).toEqual([
      { key: 'song', reason: expect.stringContaining(`says that the MD5 is ${told}, the bytes it sent have`) },
    ]);
    expect(await readFile(join(folder, 'song'), 'utf8')).toBe('what was there');
    expect(await files()).toEqual(['song']);
  });

  it('that vanished since it was listed is counted as gone', async () => {
    s3.place('old/song', song);
    s3.fault = (call) => {
      if (call.startsWith('GET old/song')) s3.objects.delete('old/song');
      return false;
    };
    expect(await copy()).toMatchObject({ copied: 0, gone: 1, failed: [] });
    expect(await files()).toEqual([]);
  });
});
