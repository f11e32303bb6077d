import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { account_id, failure, startTestAccount, token, type TestAccount } from './api-test-account.ts';
import { Bucket, startTestBucket, type TestBucket } from './r2-test-bucket.ts';

let r2: TestBucket;
beforeAll(async () => {
  r2 = await startTestBucket();
}, 60_000);
afterAll(() => r2.close());

async function account(): Promise<TestAccount> {
  const one = await startTestAccount(undefined, { r2: r2.bucket });
  await one.client.r2.buckets.create({ account_id, name: Bucket });
  return one;
}
const objects = `/accounts/${account_id}/r2/buckets/${Bucket}/objects`;

// The vendor's SDK has these calls, and wrangler's `r2 object put/get/delete` makes them.
it('the vendor SDK stores, reads and deletes an object, which S3 has as well', async () => {
  const { client } = await account();
  const at = { account_id, bucket_name: Bucket };
  const stored = await client.r2.buckets.objects.upload('a folder/ü.wav', 'bytes', at);
  expect(stored).toMatchObject({ key: 'a folder/ü.wav', size: '5' });
  expect((await r2.raw('GET', 'a folder/ü.wav')).body.toString()).toBe('bytes');
  const read = await client.r2.buckets.objects.get('a folder/ü.wav', at);
  expect(await read.text()).toBe('bytes');
  await client.r2.buckets.objects.delete('a folder/ü.wav', at);
  expect((await r2.raw('GET', 'a folder/ü.wav')).status).toBe(404);
  await expect(client.r2.buckets.objects.get('a folder/ü.wav', at)).rejects.toMatchObject({ status: 404 });
});

it('an object keeps its bytes and headers, with slashes in its path written either way', async () => {
  const { api } = await account();
  const body = gzipSync('a text that was compressed before');
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'text/plain',
    'content-encoding': 'gzip',
    'cache-control': 'max-age=9',
  };
  const put = await fetch(`${api.url}${objects}/x/y%2Fz`, { method: 'PUT', body, headers });
  expect(put.status).toBe(200);
  const stored = await r2.raw('GET', 'x/y/z', { headers: { 'accept-encoding': 'gzip' } });
  expect(stored.body.equals(body)).toBe(true);
  expect(stored.headers).toMatchObject({
    'content-type': 'text/plain',
    'content-encoding': 'gzip',
    'cache-control': 'max-age=9',
  });
});

it('is refused in the vendor’s envelope without the object, the bucket, the account or the token', async () => {
  const { call } = await account();
  expect(await call('GET', `${objects}/nothing`)).toMatchObject(failure(404, 10007));
  expect(await call('DELETE', `${objects.replace(Bucket, 'nowhere')}/x`)).toMatchObject(failure(404, 10006));
  expect(await call('GET', `${objects.replace(account_id, 'c'.repeat(32))}/x`)).toMatchObject(failure(403, 10000));
  await r2.raw('PUT', 'kept', { body: 'x' });
  const answer = await call('DELETE', `${objects}/kept`, undefined, { authorization: 'Bearer wrong' });
  expect(answer.status).not.toBe(200);
  expect((await r2.raw('GET', 'kept')).status).toBe(200);
});
