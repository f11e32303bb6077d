import { hash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startR2Gateway, type R2Gateway } from '@crossfade/local-cloud/cloudflare/r2-gateway';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ObjectChanged } from '../store-abilities.ts';
import { createObjectStore } from './object-store.ts';
import { compositeEtagOf } from './parts.ts';
import { metaOf } from '../object-meta.ts';

const MIB = 1024 * 1024;
const credentials = { accessKeyId: 'key', secretAccessKey: 'secret' };
/** As 5 GiB and 1 GiB are to what really needs parts. R2 takes none smaller than 5 MiB but the last. */
const copyLimits = { mostWholeBytes: 10 * MIB, partBytes: 5 * MIB };
const META = metaOf({ contentType: 'audio/wav', cacheControl: 'max-age=60', custom: { mtime: '1700000000' } });
const song = randomBytes(12 * MIB + 5);

let folder: string;
let gateway: R2Gateway;
const asked: string[] = [];
const stores: { close(): Promise<void> }[] = [];

function open(bucket: string) {
  const limits = { partSizeBytes: 16 * MIB, copyLimits };
  const store = createObjectStore({
    label: bucket,
    endpoint: gateway.endpoint,
    region: 'auto',
    bucket,
    ...credentials,
    ...limits,
  });
  stores.push(store);
  return store;
}
async function bytesOf(bucket: string, key: string): Promise<Buffer | null> {
  const object = await open(bucket).get(key);
  return object === null ? null : Buffer.concat(await object.body.toArray());
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'crossfade-server-side-copy-'));
  gateway = await startR2Gateway(folder, credentials, ({ action }) => asked.push(action));
  await gateway.setBuckets(['old', 'new']);
  const md5 = (await open('old').put('song', song, song.byteLength, META)).etag;
  expect(md5).toMatch(/^[0-9a-f]{32}$/);
});
afterEach(() => asked.splice(0));
afterAll(async () => {
  for (const store of stores) await store.close();
  await gateway.close();
  await rm(folder, { recursive: true, force: true });
});

describe('a copy that R2 makes by itself', () => {
  it('is one call as long as the object is as large as that takes', async () => {
    const small = song.subarray(0, copyLimits.mostWholeBytes);
    const [from, to] = [open('old'), open('new')];
    await from.put('small', small, small.byteLength, META);
    asked.splice(0);
    const head = await from.head('small');
    if (head === null) throw new Error('it is not there');
    expect(await to.putCopy('small', from.copySource('small'), head, async () => META)).toEqual({ etag: head.etag });
    expect(asked).toEqual(['HeadObject', 'CopyObject']);
  });

  it('is made in parts above that, with the description that it is given', async () => {
    const [from, to] = [open('old'), open('new')];
    const head = await from.head('song');
    if (head === null) throw new Error('it is not there');
    const described = { ...META, cacheControl: 'max-age=3600' };
    const stored = await to.putCopy('song', from.copySource('song'), head, async () => described);
    const parts = [0, 1, 2].map((at) => song.subarray(at * copyLimits.partBytes, (at + 1) * copyLimits.partBytes));
    expect(stored?.etag).toBe(compositeEtagOf(parts.map((part) => hash('md5', part))));
    expect(asked.filter((action) => action === 'UploadPartCopy')).toHaveLength(3);
    expect(asked).not.toContain('GetObject');
    expect(await to.head('song')).toMatchObject({ size: song.byteLength, etag: stored?.etag, meta: described });
    expect((await bytesOf('new', 'song'))?.equals(song)).toBe(true);
  });

  it('is not made of two versions: what changed before the last part becomes no object', async () => {
    const [from, to] = [open('old'), open('new')];
    await from.put('changing', song, song.byteLength, META);
    const head = await from.head('changing');
    if (head === null) throw new Error('it is not there');
    const source = from.copySource('changing');
    const changing = {
      ...source,
      async look() {
        await from.put('changing', song.subarray(1), song.byteLength - 1, META);
        return source.look();
      },
    };
    await expect(to.putCopy('changing', changing, head, async () => META)).rejects.toThrow(ObjectChanged);
    expect(await to.head('changing')).toBeNull();
    expect(await to.listUploads('changing')).toEqual([]);
  });

  it('nor of one that was deleted meanwhile', async () => {
    const [from, to] = [open('old'), open('new')];
    await from.put('gone', song, song.byteLength, META);
    const head = await from.head('gone');
    if (head === null) throw new Error('it is not there');
    const source = { ...from.copySource('gone'), look: async () => null };
    await expect(to.putCopy('gone', source, head, async () => META)).rejects.toThrow(ObjectChanged);
    expect(await to.head('gone')).toBeNull();
  });
});
