import { execFile, spawnSync } from 'node:child_process';
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findDatabaseServer, startDatabaseServer } from './index.ts';

let folder = '';
const options = () => ({ folder, password: 'a password', databases: ['one'], durable: false });

async function ask(url: string): Promise<unknown> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query('select current_database() as name')).rows[0];
  } finally {
    await client.end();
  }
}

describe('the database server', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'crossfade-db-'));
    await chmod(folder, 0o755);
  });
  afterAll(async () => {
    await (await findDatabaseServer(folder))?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('starts in an empty folder with the databases that were asked for', async () => {
    const server = await startDatabaseServer(options());
    expect(await ask(server.url('one'))).toEqual({ name: 'one' });
  });

  it('is found again by somebody who did not start it', async () => {
    const first = await startDatabaseServer(options());
    const second = await startDatabaseServer(options());
    expect(second.pid).toBe(first.pid);
  });

  it('comes back after a kill -9, and tells a wrong password from a right one', async () => {
    const first = await startDatabaseServer(options());
    process.kill(first.pid, 'SIGKILL');
    const second = await startDatabaseServer(options());
    expect(second.pid).not.toBe(first.pid);
    expect(await ask(second.url('one'))).toEqual({ name: 'one' });
    await expect(ask(second.url('one').replace('a%20password', 'wrong'))).rejects.toThrow(/password/);
  });

  it('leaves no process behind when it is stopped', async () => {
    const server = await startDatabaseServer(options());
    await server.stop();
    expect(() => process.kill(server.pid, 0)).toThrow();
    expect(await findDatabaseServer(folder)).toBeNull();
  });

  it('is one for all of several processes that start it at once in an empty folder', async () => {
    const own = await mkdtemp(join(tmpdir(), 'crossfade-db-'));
    await chmod(own, 0o755);
    const script = `import { startDatabaseServer } from ${JSON.stringify(new URL('index.ts', import.meta.url).href)};
      const server = await startDatabaseServer(${JSON.stringify({ ...options(), folder: own })});
      console.log(server.pid);`;
    const start = (): Promise<string> =>
      new Promise((resolve, reject) => {
        execFile(process.execPath, ['--input-type=module', '-e', script], (error, out) =>
          error === null ? resolve(out) : reject(error),
        );
      });
    try {
      expect(new Set(await Promise.all([start(), start(), start()])).size).toBe(1);
      expect(await readdir(own)).not.toContain('starting');
    } finally {
      await (await findDatabaseServer(own))?.stop();
      await rm(own, { recursive: true, force: true });
    }
  });

  it('does not wait for a process that died while it was starting one', async () => {
    const dead = spawnSync(process.execPath, ['-e', '']).pid;
    await writeFile(join(folder, 'starting'), `${dead} left behind`);
    const server = await startDatabaseServer(options());
    expect(await ask(server.url('one'))).toEqual({ name: 'one' });
  });
});
