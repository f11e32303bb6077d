import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openAccount } from './account-state.ts';

async function freshFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'account-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const route = (id: string) => ({ id, pattern: `${id}.audafact.com/*`, script: 'audafact-api' });

test('an acknowledged change is on disk at once, without any closing', async () => {
  const folder = await freshFolder();
  const account = await openAccount(folder);
  await account.change((draft) => draft.routes.push(route('one')));
  await account.writeModules('version', { 'lib/../odd name.js': 'export default 1' });
  const again = await openAccount(folder);
  expect(again.current()).toEqual(account.current());
  expect(again.current().routes).toEqual([route('one')]);
  expect(await again.readModules('version')).toEqual({ 'lib/../odd name.js': 'export default 1' });
});

test('changes that arrive together are all kept', async () => {
  const folder = await freshFolder();
  const account = await openAccount(folder);
  const ids = Array.from({ length: 20 }, (_, index) => `r${index}`);
  await Promise.all(ids.map((id) => account.change((draft) => draft.routes.push(route(id)))));
  expect((await openAccount(folder)).current().routes.map((one) => one.id)).toEqual(ids);
});

test('a change that throws has changed nothing, is not applied, and the next one runs', async () => {
  const account = await openAccount(await freshFolder());
  const applied: string[] = [];
  const failing = account.change(
    (draft) => {
      draft.routes.push(route('half'));
      throw new Error('refused');
    },
    () => applied.push('half'),
  );
  await expect(failing).rejects.toThrow('refused');
  expect(account.current().routes).toEqual([]);
  await account.change(
    (draft) => draft.routes.push(route('next')),
    (now) => applied.push(now.routes[0]?.id ?? ''),
  );
  expect(applied).toEqual(['next']);
});

test('what a crash left half written is not taken for the account', async () => {
  const folder = await freshFolder();
  await (await openAccount(folder)).change((draft) => draft.routes.push(route('one')));
  await writeFile(path.join(folder, 'account.json.dead.tmp'), '{"routes":[');
  expect((await openAccount(folder)).current().routes).toEqual([route('one')]);
  await writeFile(path.join(folder, 'account.json'), '{"routes":[]}');
  await expect(openAccount(folder)).rejects.toThrow();
});

test('nobody else on the machine can read the file that holds the secrets', async () => {
  const folder = await freshFolder();
  await openAccount(folder);
  expect((await stat(path.join(folder, 'account.json'))).mode & 0o777).toBe(0o600);
  expect(await readdir(folder)).toEqual(['account.json', 'versions']);
});
