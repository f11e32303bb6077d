import { hash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkersRuntime } from '@crossfade/local-cloud/cloudflare/runtime-contract';
import { createWorkersRuntime } from '@crossfade/local-cloud/cloudflare/workers-runtime';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createObjectStore } from '../providers/s3/object-store.ts';
import { compositeEtagOf } from '../providers/s3/parts.ts';
import { copyObjects } from './copy.ts';
import { MIB, startS3Server, type S3Server } from './fixtures/s3-server.ts';

const PART = 5 * MIB;
const credentials = { accessKeyId: 'key', secretAccessKey: 'secret' };
let folder = '';
let runtime: WorkersRuntime;
let legacy: S3Server;

const open = () =>
  createWorkersRuntime({
    folder,
    edge: { address: '127.0.0.53', port: 20_000 + Math.floor(Math.random() * 20_000) },
    workersSubdomain: 'team',
    r2Credentials: credentials,
    sinks: { onMessages: async () => {}, onDataPoint: () => {} },
  });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'crossfade-copy-parts-'));
  runtime = await open();
  legacy = await startS3Server();
});
afterAll(async () => {
  await legacy.close();
  await runtime.close();
  await rm(folder, { recursive: true, force: true });
});

it('goes on with an object that was interrupted between parts on R2, even over its restart, and sends only what is missing', async () => {
  const song = randomBytes(4 * PART + 7);
  const md5s = Array.from({ length: 5 }, (_, at) => hash('md5', song.subarray(at * PART, (at + 1) * PART)));
  legacy.place('old/song', song);
  await runtime.ensureBucket('media');
  const target = () =>
    createObjectStore({
      label: 'R2',
      endpoint: runtime.r2Endpoint,
      region: 'auto',
      bucket: 'media',
      ...credentials,
      partSizeBytes: PART,
    });
  const stop = new AbortController();
  const first = target();
  const killed = copyObjects({
    from: legacy.store('old'),
    to: {
      ...first,
      async putPart(upload, number, bytes, md5) {
        if (number === 4) {
          stop.abort(new Error('killed'));
          throw stop.signal.reason;
        }
        return first.putPart(upload, number, bytes, md5);
      },
    },
    concurrency: 1,
    signal: stop.signal,
  });
  await expect(killed).rejects.toThrow('killed');
  await first.close();
  await runtime.close();
  runtime = await open();
  await runtime.ensureBucket('media');

  const to = target();
  const [left] = await to.listUploads('song');
  const there = left?.parts ?? [];
  expect(there.length).toBeGreaterThan(0);
  expect(there.map(({ number, md5 }) => [number, md5])).toEqual(there.map(({ number }) => [number, md5s[number - 1]]));
  const since = Date.now();
  const { signal } = new AbortController();
  expect(await copyObjects({ from: legacy.store('old'), to, concurrency: 1, signal })).toMatchObject({
    copied: 1,
    failed: [],
  });
  const actions = runtime.r2Operations({ since, until: Date.now(), bucket: 'media' }).map(({ action }) => action);
  expect(actions.filter((action) => action === 'UploadPart')).toHaveLength(5 - there.length);
  expect(actions).not.toContain('CreateMultipartUpload');
  expect(await to.head('song')).toMatchObject({ size: song.byteLength, etag: compositeEtagOf(md5s) });
  expect(await to.listUploads('song')).toEqual([]);
  const stored = await to.get('song');
  expect(hash('md5', Buffer.concat((await stored?.body.toArray()) ?? []))).toBe(hash('md5', song));
  await to.close();
});
