import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { account_id, failure, startTestAccount, type TestAccount } from './api-test-account.ts';

const configs = `/accounts/${account_id}/hyperdrive/configs`;
const PASSWORD = 'p@ss/word';
const origin = {
  scheme: 'postgres' as const,
  host: 'db.example.com',
  port: 5432,
  database: 'postgres',
  user: 'worker',
  password: PASSWORD,
};
const wanted = { account_id, name: 'api-database', origin, caching: { disabled: true as const } };
const bound = (id: string): object => ({ bindings: [{ type: 'hyperdrive', name: 'DATABASE', id }] });

async function names({ client }: TestAccount): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of client.hyperdrive.configs.list({ account_id, per_page: 2 })) found.push(name);
  return found;
}

test('the vendor SDK creates, lists page by page, reads and deletes configs', async () => {
  const account = await startTestAccount();
  const { client, runtime } = account;
  const made = await client.hyperdrive.configs.create(wanted);
  for (const name of ['other', 'third']) await client.hyperdrive.configs.create({ ...wanted, name });
  expect(await names(account)).toEqual(['api-database', 'other', 'third']);
  expect(runtime.hyperdrives.get(made.id)).toBe('postgres://worker:p%40ss%2Fword@db.example.com:5432/postgres');
  expect(await client.hyperdrive.configs.get(made.id, { account_id })).toMatchObject({
    name: 'api-database',
    caching: { disabled: true },
  });
  await client.hyperdrive.configs.delete(made.id, { account_id });
  expect(await names(account)).toEqual(['other', 'third']);
  expect(runtime.hyperdrives.has(made.id)).toBe(false);
  expect(await account.call('GET', `${configs}/${made.id}`)).toMatchObject(failure(404, 2002));
});

test('a password is never in an answer, and the account that holds it survives a restart', async () => {
  const account = await startTestAccount();
  const { call, folder } = account;
  const made = await call('POST', configs, { name: 'api-database', origin });
  const { id } = made.body.result as { id: string };
  const answers = [made, await call('GET', configs), await call('GET', `${configs}/${id}`)];
  for (const { status, text } of answers) {
    expect(status).toBe(200);
    expect(text).not.toContain(PASSWORD);
  }
  expect(await readFile(path.join(folder, 'account.json'), 'utf8')).toContain(PASSWORD);
  await account.upload('PUT', 'api', 'export default {}', bound(id));
  await account.api.close();
  const again = await startTestAccount(folder);
  expect(again.runtime.hyperdrives.get(id)).toContain('db.example.com');
  expect(again.runtime.deployments.get('api')).toHaveLength(1);
});

test('an update replaces all but the id, an edit only what it names, and both reach the runtime', async () => {
  const { client, runtime } = await startTestAccount();
  const { id } = await client.hyperdrive.configs.create({ ...wanted, caching: { max_age: 30 } });
  const edited = await client.hyperdrive.configs.edit(id, { account_id, origin: { host: 'two', port: 6543 } });
  expect(edited).toMatchObject({ origin: { host: 'two', port: 6543, user: 'worker' }, caching: { max_age: 30 } });
  expect(runtime.hyperdrives.get(id)).toBe('postgres://worker:p%40ss%2Fword@two:6543/postgres');
  const updated = await client.hyperdrive.configs.update(id, {
    account_id,
    name: 'new-name',
    origin: { ...origin, password: 'another' },
  });
  expect(updated).toMatchObject({ id, name: 'new-name', caching: { disabled: false, max_age: 60 } });
  expect(runtime.hyperdrives.get(id)).toBe('postgres://worker:another@db.example.com:5432/postgres');
});

test('names that are taken, databases half told and configs that a Worker serves from are refused', async () => {
  const account = await startTestAccount();
  const { call, client } = account;
  const { id } = await client.hyperdrive.configs.create(wanted);
  expect(await call('POST', configs, { name: 'api-database', origin })).toMatchObject(failure(409, 2017));
  const { password: _left, ...half } = origin;
  expect(await call('POST', configs, { name: 'half', origin: half })).toMatchObject(failure(400, 10021));
  expect(await call('PUT', `${configs}/${id}`, { name: 'api-database' })).toMatchObject(failure(400, 10021));
  expect(await call('PATCH', `${configs}/${'0'.repeat(32)}`, { name: 'x' })).toMatchObject(failure(404, 2002));
  await account.upload('PUT', 'api', 'export default {}', bound(id));
  expect(await call('DELETE', `${configs}/${id}`)).toMatchObject(failure(409, 2019));
  // Another version serves: the config is free.
  await account.upload('PUT', 'api', 'export default { fetch() {} }');
  expect((await call('DELETE', `${configs}/${id}`)).status).toBe(200);
});
