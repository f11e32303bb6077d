import { randomBytes } from 'node:crypto';
import { startTestBucket, keys, type TestBucket } from '@crossfade/local-cloud/cloudflare/r2-test-bucket';
import { S3Failure } from '@crossfade/local-cloud/cloudflare/s3-failure';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { metaOf } from '../object-meta.ts';
import { createObjectStore } from './object-store.ts';

const PART = 5 * 1024 * 1024;
const META = metaOf({ contentType: 'audio/wav', cacheControl: null, custom: {} });
let r2: TestBucket;
let store: ReturnType<typeof createObjectStore>;
let writes = 0;
let refusedAt: number | null = null;

beforeAll(async () => {
  // Each write but the first comes too early: it is taken a second after it was refused.
  r2 = await startTestBucket({
    take() {
      refusedAt ??= writes === 0 ? 0 : performance.now();
      if (performance.now() - refusedAt < 1000)
        throw new S3Failure(429, 'TooManyRequests', 'Reduce your concurrent request rate for the same object.');
      refusedAt = null;
      writes++;
      return () => {};
    },
  });
  const { endpoint, region, bucket } = r2.bucket;
  store = createObjectStore({ label: bucket, endpoint, region, bucket, ...keys, partSizeBytes: PART });
}, 60_000);
afterAll(async () => {
  await store.close();
  await r2.close();
});

// https://developers.cloudflare.com/r2/platform/limits/: one write a second to a key, then 429
it('a key that is written again within a second is written all the same: in one piece, in parts, and by a copy', async () => {
  const parts = randomBytes(PART + 1);
  const pieces = [Buffer.from('one'), Buffer.from('two'), parts, Buffer.from('three')];
  for (const bytes of pieces) {
    await store.put('key', bytes, bytes.length, META);
    const object = await store.get('key');
    expect(object === null ? null : Buffer.concat(await object.body.toArray()).equals(bytes)).toBe(true);
  }
  const head = await store.head('key');
  if (head === null) throw new Error('it is not there');
  const meta = { ...META, cacheControl: 'max-age=1' };
  expect(await store.putCopy('key', store.copySource('key'), head, async () => meta)).toEqual({ etag: head.etag });
  expect((await store.head('key'))?.meta.cacheControl).toBe('max-age=1');
  expect(writes).toBe(5);
}, 60_000);
