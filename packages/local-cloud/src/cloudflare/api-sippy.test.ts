import { expect, test } from 'vitest';
import { account_id, failure, startTestAccount } from './api-test-account.ts';

const path = `/accounts/${account_id}/r2/buckets/audafact/sippy`;
const source = {
  provider: 's3' as const,
  bucketUrl: 'https://project.example.com/storage/v1/s3/media',
  accessKeyId: 'legacy-key',
  secretAccessKey: 'legacy-secret-value',
};
const destination = { provider: 'r2' as const, accessKeyId: 'r2-key', secretAccessKey: 'r2-secret-value' };

test('the vendor SDK turns Sippy on, reads the setting without its secrets, and turns it off', async () => {
  const { client, call, runtime } = await startTestAccount();
  const { sippy } = client.r2.buckets;
  await client.r2.buckets.create({ account_id, name: 'audafact' });
  expect(await sippy.get('audafact', { account_id })).toEqual({ enabled: false });
  const on = await sippy.update('audafact', { account_id, source, destination });
  expect(on).toMatchObject({
    enabled: true,
    source: { provider: 's3', bucketUrl: source.bucketUrl },
    destination: { provider: 'r2', account: account_id, bucket: 'audafact', accessKeyId: 'r2-key' },
  });
  expect(await sippy.get('audafact', { account_id })).toEqual(on);
  expect((await call('GET', path)).text).not.toMatch(/secret/);
  expect(runtime.sippies.get('audafact')).toMatchObject({
    from: { endpoint: 'https://project.example.com/storage/v1/s3', bucket: 'media', accessKeyId: 'legacy-key' },
    to: { endpoint: runtime.r2Endpoint, bucket: 'audafact', accessKeyId: 'r2-key' },
  });
  for (let times = 0; times < 2; times++)
    expect(await sippy.delete('audafact', { account_id })).toEqual({ enabled: false });
  expect(await sippy.get('audafact', { account_id })).toEqual({ enabled: false });
  expect(runtime.sippies.size).toBe(0);
});

test('Sippy is kept over a restart, and goes with its bucket', async () => {
  const first = await startTestAccount();
  await first.client.r2.buckets.create({ account_id, name: 'audafact' });
  await first.client.r2.buckets.sippy.update('audafact', { account_id, source, destination });
  const second = await startTestAccount(first.folder);
  expect(second.runtime.sippies.get('audafact')).toMatchObject({ from: { bucket: 'media' } });
  await second.client.r2.buckets.delete('audafact', { account_id });
  await second.client.r2.buckets.create({ account_id, name: 'audafact' });
  expect(second.runtime.sippies.size).toBe(0);
});

test('a setting that lacks a key, names another kind of source or another bucket is refused and changes nothing', async () => {
  const { client, call, runtime } = await startTestAccount();
  expect(await call('GET', path)).toMatchObject(failure(404, 10006));
  expect(await call('PUT', path, { source, destination })).toMatchObject(failure(404, 10006));
  expect(await call('DELETE', path)).toMatchObject(failure(404, 10006));
  await client.r2.buckets.create({ account_id, name: 'audafact' });
  const { secretAccessKey: _secret, ...keyless } = source;
  for (const bad of [
    { source: keyless, destination },
    { source },
    { source: { ...source, provider: 'aws', bucket: 'media', region: 'eu' }, destination },
    { source: { ...source, bucketUrl: 'http://project.example.com/media' }, destination },
    { source: { ...source, bucketUrl: 'https://project.example.com' }, destination },
  ]) {
    const answer = await call('PUT', path, bad);
    expect(answer).toMatchObject(failure(400, 10040));
    expect(answer.text).not.toMatch(/secret-value/);
  }
  expect(runtime.sippies.size).toBe(0);
});
