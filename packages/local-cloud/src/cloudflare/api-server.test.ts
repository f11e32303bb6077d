import { readdir } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { account_id, deploymentsOf, failure, startTestAccount, token, zone_id } from './api-test-account.ts';

const cacheRule = { id: 'sessions', enabled: true, conditions: { prefix: 'sessions/' } };

test('the vendor SDK verifies the token and finds the zone by its name', async () => {
  const { client } = await startTestAccount();
  expect(await client.user.tokens.verify()).toMatchObject({ status: 'active' });
  const zones = [];
  for await (const zone of client.zones.list({ name: 'audafact.com' })) zones.push(zone);
  expect(zones.map(({ id, name, status }) => ({ id, name, status }))).toEqual([
    { id: zone_id, name: 'audafact.com', status: 'active' },
  ]);
  expect((await client.zones.get({ zone_id })).name).toBe('audafact.com');
  expect((await client.zones.list({ name: 'other.com' })).result).toEqual([]);
});

test('a request without the token, or with another, gets the 10000 envelope and no hint of the token', async () => {
  const { call } = await startTestAccount();
  const where = `/accounts/${account_id}/workers/scripts`;
  for (const headers of [{}, { authorization: 'Bearer wrong' }, { authorization: token }]) {
    const answer = await call('GET', where, undefined, headers);
    expect(answer).toMatchObject(failure(403, 10000));
    expect(answer.text).not.toContain(token);
  }
});

test('an unknown path and a malformed identifier get 7003, a foreign account 10000, a foreign zone 1003', async () => {
  const { call } = await startTestAccount();
  expect(await call('GET', '/accounts/nothing/here')).toMatchObject(failure(404, 7003));
  expect(await call('GET', '/zones/short/dns_records')).toMatchObject(failure(404, 7003));
  expect(await call('GET', `/accounts/${'c'.repeat(32)}/r2/buckets`)).toMatchObject(failure(403, 10000));
  expect(await call('GET', `/zones/${'c'.repeat(32)}/dns_records`)).toMatchObject(failure(404, 1003));
});

test('a query parameter or a body member that the contract does not know is refused', async () => {
  const { call } = await startTestAccount();
  expect(await call('GET', `/zones/${zone_id}/dns_records?colour=red`)).toMatchObject(failure(400, 1004));
  const route = { pattern: 'audafact.com/*', worker: 'x' };
  expect(await call('POST', `/zones/${zone_id}/workers/routes`, route)).toMatchObject(failure(400, 10021));
});

test('mutating calls are kept with their status, reading calls and analytics are not', async () => {
  const { api, call } = await startTestAccount();
  const buckets = `/accounts/${account_id}/r2/buckets`;
  await call('POST', buckets, { name: 'audafact' });
  await call('POST', buckets, { name: 'audafact' });
  await call('GET', buckets);
  await call('POST', '/graphql', { query: '{viewer{zones(filter:{}){x}}}' });
  expect(api.calls.map(({ method, path, status }) => [method, path, status])).toEqual([
    ['POST', `/client/v4${buckets}`, 200],
    ['POST', `/client/v4${buckets}`, 409],
  ]);
  expect(Date.parse(api.calls[0]?.at ?? '')).toBeGreaterThan(Date.now() - 60_000);
});

test('an account kept in a folder is put back as it was, in the API and in the runtime', async () => {
  const first = await startTestAccount();
  const { client, upload } = first;
  await client.r2.buckets.create({ account_id, name: 'audafact' });
  await client.r2.buckets.lifecycle.update('audafact', { account_id, rules: [cacheRule] });
  const bindings = [
    { type: 'r2_bucket', name: 'MEDIA', bucket_name: 'audafact' },
    { type: 'secret_text', name: 'JWT_SECRET', text: 'quite-secret' },
  ];
  await upload('PUT', 'audafact-api', 'export default {} // one', { bindings });
  const uploaded = await upload('POST', 'audafact-api', 'export default {} // two', { bindings });
  const secondId = (uploaded.body.result as { id: string }).id;
  await client.workers.scripts.deployments.create('audafact-api', {
    account_id,
    strategy: 'percentage',
    versions: [{ version_id: secondId, percentage: 100 }],
  });
  await upload('POST', 'audafact-api', 'export default {} // three, never deployed');
  await client.workers.scripts.subdomain.create('audafact-api', { account_id, enabled: false, previews_enabled: true });
  await client.workers.routes.create({ zone_id, pattern: 'media.audafact.com/*', script: 'audafact-api' });
  await client.dns.records.create({
    zone_id,
    type: 'A',
    name: 'media',
    content: '127.0.0.21',
    ttl: 300,
    comment: 'ours',
  });
  await first.api.close();

  const second = await startTestAccount(first.folder);
  const { api, client: again, runtime } = second;
  expect([...runtime.buckets.keys()]).toEqual(['audafact']);
  expect(runtime.deployments).toEqual(first.runtime.deployments);
  expect(runtime.subdomains).toEqual(first.runtime.subdomains);
  expect(runtime.routes()).toEqual([{ pattern: 'media.audafact.com/*', script: 'audafact-api' }]);
  expect(
    [...runtime.versions.values()].map(({ versionId, modules, bindings: bound }) => [versionId, modules, bound]).sort(),
  ).toEqual(
    [...first.runtime.versions.values()]
      .map(({ versionId, modules, bindings: bound }) => [versionId, modules, bound])
      .sort(),
  );
  expect(api.records()).toEqual(first.api.records());
  expect(await again.r2.buckets.lifecycle.get('audafact', { account_id })).toEqual({ rules: [cacheRule] });
  expect((await deploymentsOf(second, 'audafact-api'))[0]?.versions).toEqual([
    { version_id: secondId, percentage: 100 },
  ]);
  expect((await readdir(first.folder)).sort()).toEqual(['account.json', 'versions']);
});

test('a planted outage answers 503 to everybody, or nobody at all, and ends by itself', async () => {
  const { call, faults, api } = await startTestAccount();
  const where = `/accounts/${account_id}/workers/scripts`;
  faults.plant({ kind: 'api-outage', seconds: 0.3, answer: '503' });
  expect((await call('GET', where)).status).toBe(503);
  expect((await call('POST', '/graphql', { query: '{viewer{zones(filter:{}){x}}}' })).status).toBe(503);
  await expect.poll(async () => (await call('GET', where)).status).toBe(200);
  faults.plant({ kind: 'api-outage', seconds: 0.3, answer: 'none' });
  await expect(fetch(api.url, { signal: AbortSignal.timeout(100) })).rejects.toThrow(/timeout/);
  await expect.poll(async () => faults.holding('api-outage')).toEqual([]);
  expect((await call('GET', where)).status).toBe(200);
});
