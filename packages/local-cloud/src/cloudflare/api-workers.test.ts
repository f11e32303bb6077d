import { expect, test } from 'vitest';
import { account_id, deploymentsOf, failure, startTestAccount, token, zone_id } from './api-test-account.ts';
import type { Answer, TestAccount } from './api-test-account.ts';

const script = 'audafact-api';
const scripts = `/accounts/${account_id}/workers/scripts`;

function idOf(answer: Answer): string {
  expect(answer.status).toBe(200);
  return (answer.body.result as { id: string }).id;
}

async function twoVersions(account: TestAccount, oldMeta: object = {}, newMeta: object = {}) {
  expect((await account.upload('PUT', script, 'export default {} // old', oldMeta)).status).toBe(200);
  const old = (await deploymentsOf(account, script))[0]?.versions[0]?.version_id ?? '';
  const fresh = idOf(await account.upload('POST', script, 'export default {} // new', newMeta));
  return { old, fresh };
}

const split = (...parts: [string, number][]) => ({
  strategy: 'percentage',
  versions: parts.map(([version_id, percentage]) => ({ version_id, percentage })),
});

test('the first PUT makes the script, serves at once, and shows no secret again', async () => {
  const account = await startTestAccount();
  const { client, runtime, upload } = account;
  await client.r2.buckets.create({ account_id, name: 'audafact' });
  const bindings = [
    { type: 'r2_bucket', name: 'MEDIA', bucket_name: 'audafact' },
    { type: 'secret_text', name: 'KEY', text: 'never-shown' },
    { type: 'version_metadata', name: 'VERSION' },
  ];
  const put = await upload('PUT', script, 'export default {}', { bindings, annotations: { 'workers/tag': 'v1' } });
  expect(put).toMatchObject({ status: 200, body: { result: { id: script, startup_time_ms: 7 } } });
  const [version] = [...runtime.versions.values()];
  expect(version).toMatchObject({
    script,
    tag: 'v1',
    mainModule: 'index.js',
    modules: { 'index.js': 'export default {}' },
    compatibilityDate: '2026-10-01',
    bindings,
  });
  const id = version?.versionId ?? '';
  expect(runtime.deployments.get(script)).toEqual([{ versionId: id, percentage: 100 }]);
  const shown = await client.workers.scripts.versions.get(id, { account_id, script_name: script });
  expect(shown).toMatchObject({ id, number: 1, resources: { script_runtime: { compatibility_date: '2026-10-01' } } });
  expect(JSON.stringify([put.body, shown])).not.toContain('never-shown');
  const listed = [];
  for await (const one of client.workers.scripts.list({ account_id })) listed.push(one.id);
  expect(listed).toEqual([script]);
});

test('a version cannot be uploaded for a script that does not exist', async () => {
  const { call, upload } = await startTestAccount();
  expect(await upload('POST', 'nobody')).toMatchObject(failure(404, 10007));
  for (const path of ['versions', 'deployments', 'subdomain']) {
    expect(await call('GET', `${scripts}/nobody/${path}`)).toMatchObject(failure(404, 10007));
  }
});

test('versions are listed newest first, page by page, each with its tag', async () => {
  const { client, upload } = await startTestAccount();
  await upload('PUT', script);
  for (const tag of ['t2', 't3']) await upload('POST', script, undefined, { annotations: { 'workers/tag': tag } });
  const numbers: unknown[] = [];
  for await (const one of client.workers.scripts.versions.list(script, { account_id, per_page: 2 })) {
    numbers.push([one.number, 'annotations' in one ? one.annotations : null]);
  }
  expect(numbers).toEqual([
    [3, { 'workers/tag': 't3' }],
    [2, { 'workers/tag': 't2' }],
    [1, {}],
  ]);
});

test('an upload takes no traffic until it is deployed, by the SDK, in a split that totals 100', async () => {
  const account = await startTestAccount();
  const { old, fresh } = await twoVersions(account);
  const { client, runtime } = account;
  expect(runtime.deployments.get(script)).toEqual([{ versionId: old, percentage: 100 }]);
  const deployment = await client.workers.scripts.deployments.create(script, {
    account_id,
    strategy: 'percentage',
    versions: [
      { version_id: fresh, percentage: 10 },
      { version_id: old, percentage: 90 },
    ],
    annotations: { 'workers/message': 'canary' },
  });
  expect(runtime.deployments.get(script)).toEqual([
    { versionId: fresh, percentage: 10 },
    { versionId: old, percentage: 90 },
  ]);
  const page = await client.workers.scripts.deployments.list(script, { account_id });
  expect(page.result).toMatchObject({ deployments: [{ id: deployment.id }, { versions: [{ version_id: old }] }] });
  const got = await client.workers.scripts.deployments.get(deployment.id, { account_id, script_name: script });
  expect(got.annotations?.['workers/message']).toBe('canary');
});

test('a deployment is refused when its split or its versions break the rules, and what served still serves', async () => {
  const account = await startTestAccount();
  const { old, fresh } = await twoVersions(account);
  const third = idOf(await account.upload('POST', script));
  const where = `${scripts}/${script}/deployments`;
  const before = account.runtime.deployments.get(script);
  expect(await account.call('POST', where, split([fresh, 50], [old, 49]))).toMatchObject(failure(400, 10021));
  expect(await account.call('POST', where, split([fresh, 40], [old, 30], [third, 30]))).toMatchObject(
    failure(400, 10021),
  );
  expect(await account.call('POST', where, split([fresh, 50], [fresh, 50]))).toMatchObject(failure(400, 10021));
  expect(await account.call('POST', where, split(['not-a-uuid', 100]))).toMatchObject(failure(400, 10021));
  expect(await account.call('POST', where, split([crypto.randomUUID(), 100]))).toMatchObject(failure(404, 10007));
  expect(account.runtime.deployments.get(script)).toEqual(before);
});

test('only the newest 100 versions can be deployed', async () => {
  const account = await startTestAccount();
  const { old } = await twoVersions(account);
  await Promise.all(Array.from({ length: 99 }, () => account.upload('POST', script)));
  const where = `${scripts}/${script}/deployments`;
  expect(await account.call('POST', where, split([old, 100]))).toMatchObject(failure(400, 10021));
  const listed = await account.call('GET', `${scripts}/${script}/versions?deployable=true&per_page=200`);
  expect((listed.body.result as { items: unknown[] }).items).toHaveLength(100);
});

test('a version that never served can be deployed after a restart', async () => {
  const account = await startTestAccount();
  const { fresh } = await twoVersions(account);
  await account.upload('POST', script, 'export default {} // newest');
  await account.api.close();
  const again = await startTestAccount(account.folder);
  expect(again.runtime.versions.has(fresh)).toBe(false);
  expect((await again.call('POST', `${scripts}/${script}/deployments`, split([fresh, 100]))).status).toBe(200);
  expect(again.runtime.versions.get(fresh)?.modules).toEqual({ 'index.js': 'export default {} // new' });
  expect(again.runtime.deployments.get(script)).toEqual([{ versionId: fresh, percentage: 100 }]);
});

test('a rollback across changed secrets needs force, and one to a deleted bucket is refused', async () => {
  const account = await startTestAccount();
  await account.client.r2.buckets.create({ account_id, name: 'audafact' });
  const secret = (text: string) => ({ type: 'secret_text', name: 'KEY', text });
  const media = { type: 'r2_bucket', name: 'MEDIA', bucket_name: 'audafact' };
  const { old, fresh } = await twoVersions(
    account,
    { bindings: [secret('one'), media] },
    { bindings: [secret('two')] },
  );
  const where = `${scripts}/${script}/deployments`;
  expect((await account.call('POST', where, split([fresh, 100]))).status).toBe(200);
  expect(await account.call('POST', where, split([old, 100]))).toMatchObject(failure(400, 10220));
  expect((await account.call('POST', `${where}?force=true`, split([old, 100]))).status).toBe(200);
  await account.client.r2.buckets.delete('audafact', { account_id });
  expect(await account.call('POST', `${where}?force=true`, split([old, 100]))).toMatchObject(failure(400, 10085));
});

test('bindings are replaced, and only kept types and inherited names come over', async () => {
  const { upload, runtime } = await startTestAccount();
  const bindings = [
    { type: 'secret_text', name: 'KEY', text: 'kept' },
    { type: 'plain_text', name: 'GONE', text: 'x' },
    { type: 'plain_text', name: 'ORIGIN', text: 'https://media' },
  ];
  await upload('PUT', script, undefined, { bindings });
  const inherit = { type: 'inherit', name: 'MEDIA_ORIGIN', old_name: 'ORIGIN' };
  const id = idOf(await upload('POST', script, undefined, { bindings: [inherit], keep_bindings: ['secret_text'] }));
  expect(runtime.versions.get(id)?.bindings).toEqual([
    { type: 'plain_text', name: 'MEDIA_ORIGIN', text: 'https://media' },
    { type: 'secret_text', name: 'KEY', text: 'kept' },
  ]);
});

test('code that does not start, a missing module, a missing bucket and a missing metadata part are refused', async () => {
  const { call, upload, api } = await startTestAccount();
  const secret = { type: 'secret_text', name: 'KEY', text: 'leaky-secret' };
  const broken = await upload('PUT', script, 'throw new Error("leaky-secret")', { bindings: [secret] });
  expect(broken).toMatchObject(failure(400, 10021));
  expect(broken.text).toContain('Uncaught Error');
  expect(broken.text).not.toMatch(new RegExp(`leaky-secret|${token}`));
  expect(await upload('PUT', script, undefined, { main_module: 'other.js' })).toMatchObject(failure(400, 10021));
  const media = { type: 'r2_bucket', name: 'MEDIA', bucket_name: 'nowhere' };
  expect(await upload('PUT', script, undefined, { bindings: [media] })).toMatchObject(failure(400, 10085));
  expect(await upload('PUT', script, undefined, { bindings: [{ type: 'kv_namespace', name: 'KV' }] })).toMatchObject(
    failure(400, 10021),
  );
  expect(await upload('PUT', 'Not A Name')).toMatchObject(failure(400, 10016));
  const form = new FormData();
  form.set('index.js', new File(['export default {}'], 'index.js', { type: 'application/javascript+module' }));
  const headers = { authorization: `Bearer ${token}` };
  const bare = await fetch(`${api.url}${scripts}/${script}`, { method: 'PUT', body: form, headers });
  expect({ status: bare.status, body: await bare.json() }).toMatchObject(failure(400, 10021));
  expect((await call('GET', scripts)).body.result).toEqual([]);
});

test('the workers.dev switch is off at first, set by the SDK, and reaches the runtime', async () => {
  const { client, runtime, upload, call } = await startTestAccount();
  await upload('PUT', script);
  expect(await client.workers.scripts.subdomain.get(script, { account_id })).toEqual({
    enabled: false,
    previews_enabled: false,
  });
  await client.workers.scripts.subdomain.create(script, { account_id, enabled: true, previews_enabled: true });
  expect(runtime.subdomains.get(script)).toEqual({ enabled: true, previewsEnabled: true });
  expect((await call('GET', `/accounts/${account_id}/workers/subdomain`)).body.result).toEqual({ subdomain: 'aud' });
});

test('routes are made, changed and deleted by the SDK and reach the runtime each time', async () => {
  const { client, runtime, upload, call } = await startTestAccount();
  await upload('PUT', script);
  const pattern = 'media.audafact.com/*';
  const route = await client.workers.routes.create({ zone_id, pattern, script });
  expect(runtime.routes()).toEqual([{ pattern, script }]);
  const where = `/zones/${zone_id}/workers/routes`;
  expect(await call('POST', where, { pattern, script })).toMatchObject(failure(409, 10020));
  expect(await call('POST', where, { pattern: 'x.audafact.com/*', script: 'no' })).toMatchObject(failure(404, 10019));
  expect(await call('POST', where, { pattern: 'example.com/*', script })).toMatchObject(failure(400, 10021));
  await client.workers.routes.update(route.id, { zone_id, pattern: 'media.audafact.com/media/*', script });
  expect(runtime.routes()).toEqual([{ pattern: 'media.audafact.com/media/*', script }]);
  expect((await client.workers.routes.get(route.id, { zone_id })).pattern).toBe('media.audafact.com/media/*');
  await client.workers.routes.delete(route.id, { zone_id });
  expect(runtime.routes()).toEqual([]);
  expect(await call('DELETE', `${where}/${route.id}`)).toMatchObject(failure(404, 10007));
});

test('a deleted script serves no more, and its routes are gone with it', async () => {
  const { client, runtime, upload } = await startTestAccount();
  await upload('PUT', script);
  await client.workers.routes.create({ zone_id, pattern: 'media.audafact.com/*', script });
  await client.workers.scripts.delete(script, { account_id });
  expect(runtime.deployments.get(script)).toEqual([]);
  expect(runtime.routes()).toEqual([]);
  const again = await upload('PUT', script);
  expect(again.status).toBe(200);
});
