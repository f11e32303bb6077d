import { mkdtemp, rm, chmod } from 'node:fs/promises';
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
});
