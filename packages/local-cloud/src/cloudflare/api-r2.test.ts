import { expect, test } from 'vitest';
import { account_id, failure, startTestAccount, token } from './api-test-account.ts';

const buckets = `/accounts/${account_id}/r2/buckets`;

test('the vendor SDK creates, lists, reads and deletes buckets', async () => {
  const { client, runtime } = await startTestAccount();
  for (const name of ['audafact', 'audafact-staging', 'other']) await client.r2.buckets.create({ account_id, name });
  expect([...runtime.buckets.keys()]).toEqual(['audafact', 'audafact-staging', 'other']);
  expect(await client.r2.buckets.get('audafact', { account_id })).toMatchObject({
    name: 'audafact',
    storage_class: 'Standard',
    jurisdiction: 'default',
  });
  const listed = await client.r2.buckets.list({ account_id, name_contains: 'audafact' });
  expect(listed.buckets?.map((one) => one.name)).toEqual(['audafact', 'audafact-staging']);
  await client.r2.buckets.delete('other', { account_id });
  expect(runtime.buckets.has('other')).toBe(false);
});

test('a long list of buckets goes on from its cursor', async () => {
  const { client, call } = await startTestAccount();
  for (const name of ['one', 'three', 'two']) await client.r2.buckets.create({ account_id, name });
  const first = await call('GET', `${buckets}?per_page=2`);
  expect(first.body).toMatchObject({ result: { buckets: [{ name: 'one' }, { name: 'three' }] } });
  expect(first.body['result_info']).toEqual({ per_page: 2, cursor: 'three' });
  const second = await call('GET', `${buckets}?per_page=2&cursor=three`);
  expect(second.body).toMatchObject({ result: { buckets: [{ name: 'two' }] }, result_info: { per_page: 2 } });
});

test('buckets that exist, do not exist, are not empty or have a bad name are refused in the vendor codes', async () => {
  const { call, runtime } = await startTestAccount();
  expect((await call('POST', buckets, { name: 'audafact' })).status).toBe(200);
  expect(await call('POST', buckets, { name: 'audafact' })).toMatchObject(failure(409, 10073));
  expect(await call('POST', buckets, { name: 'Bad_Name' })).toMatchObject(failure(400, 10005));
  expect(await call('POST', buckets, { name: 'good', colour: 1 })).toMatchObject(failure(400, 10040));
  expect(await call('GET', `${buckets}/nowhere`)).toMatchObject(failure(404, 10006));
  runtime.buckets.set('audafact', { objects: 1, payloadBytes: 5, metadataBytes: 1 });
  expect(await call('DELETE', `${buckets}/audafact`)).toMatchObject(failure(409, 10008));
  expect((await call('GET', `${buckets}/audafact`)).status).toBe(200);
  const eu = { authorization: `Bearer ${token}`, 'cf-r2-jurisdiction': 'eu' };
  expect(await call('GET', `${buckets}/audafact`, undefined, eu)).toMatchObject(failure(404, 10006));
});

test('a bucket can be created with a text/plain body, as wrangler sends it', async () => {
  const { call } = await startTestAccount();
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'text/plain;charset=UTF-8' };
  expect((await call('POST', buckets, { name: 'audafact' }, headers)).status).toBe(200);
});

test('a fresh bucket aborts multipart uploads after seven days, and a PUT replaces the whole set', async () => {
  const { client, call } = await startTestAccount();
  await client.r2.buckets.create({ account_id, name: 'audafact' });
  const fresh = await client.r2.buckets.lifecycle.get('audafact', { account_id });
  expect(fresh.rules).toMatchObject([
    { enabled: true, abortMultipartUploadsTransition: { condition: { type: 'Age', maxAge: 604_800 } } },
  ]);
  const rules = [
    {
      id: 'sessions',
      enabled: true,
      conditions: { prefix: 'sessions/' },
      deleteObjectsTransition: { condition: { type: 'Age' as const, maxAge: 604_800 } },
    },
    {
      id: 'cold',
      enabled: true,
      conditions: { prefix: '' },
      storageClassTransitions: [
        { condition: { type: 'Age' as const, maxAge: 2_592_000 }, storageClass: 'InfrequentAccess' as const },
      ],
    },
  ];
  await client.r2.buckets.lifecycle.update('audafact', { account_id, rules });
  expect((await client.r2.buckets.lifecycle.get('audafact', { account_id })).rules).toEqual(rules);
  const twins = { rules: [rules[0], rules[0]] };
  expect(await call('PUT', `${buckets}/audafact/lifecycle`, twins)).toMatchObject(failure(400, 10040));
  const glacier = {
    rules: [
      { ...rules[1], storageClassTransitions: [{ condition: { type: 'Age', maxAge: 1 }, storageClass: 'Glacier' }] },
    ],
  };
  expect(await call('PUT', `${buckets}/audafact/lifecycle`, glacier)).toMatchObject(failure(400, 10040));
});

test('CORS rules are absent at first, written, read back and deleted by the SDK', async () => {
  const { client, call } = await startTestAccount();
  await client.r2.buckets.create({ account_id, name: 'audafact' });
  expect(await call('GET', `${buckets}/audafact/cors`)).toMatchObject(failure(404, 10059));
  const rules = [
    {
      allowed: { origins: ['https://audafact.com'], methods: ['GET' as const, 'PUT' as const], headers: ['range'] },
      exposeHeaders: ['etag'],
      maxAgeSeconds: 3600,
    },
  ];
  await client.r2.buckets.cors.update('audafact', { account_id, rules });
  expect(await client.r2.buckets.cors.get('audafact', { account_id })).toEqual({ rules });
  const withPath = { rules: [{ allowed: { origins: ['https://audafact.com/app'], methods: ['GET'] } }] };
  expect(await call('PUT', `${buckets}/audafact/cors`, withPath)).toMatchObject(failure(400, 10040));
  await client.r2.buckets.cors.delete('audafact', { account_id });
  expect(await call('GET', `${buckets}/audafact/cors`)).toMatchObject(failure(404, 10059));
});
