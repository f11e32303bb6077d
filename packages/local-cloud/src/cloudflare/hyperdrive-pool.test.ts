import { once } from 'node:events';
import net from 'node:net';
import type { DatabaseServer } from '@crossfade/database-server';
import { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { startTemporaryDatabase } from '@crossfade/database-server/temporary';
import { queryMessage } from './postgres-frames.ts';
import { startHyperdrivePool, type HyperdrivePool } from './hyperdrive-pool.ts';

let database: DatabaseServer;
let pool: HyperdrivePool;

beforeAll(async () => {
  database = await startTemporaryDatabase('behind');
});
afterAll(() => database.stop());
beforeEach(async () => {
  const started = await startHyperdrivePool(database.url('behind'));
  pool = started;
  return () => started.close();
});

/** What a Worker does for a request. */
async function query(text: string, values: readonly unknown[] = []): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: pool.url });
  // The query's own rejection tells it.
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query<Record<string, unknown>>(text, [...values])).rows;
  } finally {
    await client.end();
  }
}
/** Past the pool. */
async function directly(): Promise<Client> {
  const client = new Client({ connectionString: database.url('behind') });
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}
const backend = async (): Promise<unknown> => (await query('select pg_backend_pid() as pid'))[0]?.['pid'];

describe('the pool of a Hyperdrive config', () => {
  it('hands the same connection to one client after the other', async () => {
    const pids = new Set<unknown>();
    for (let turn = 0; turn < 10; turn++) pids.add(await backend());
    expect(pids.size).toBe(1);
  });

  it('answers more clients at once than it has connections, in no more of them than the vendor has', async () => {
    const rows = await Promise.all(
      Array.from({ length: 60 }, (_, number) =>
        query('select pg_backend_pid() as pid, $1::int as number, pg_sleep(0.02)', [number]),
      ),
    );
    expect(rows.map(([row]) => row?.['number'])).toEqual(Array.from({ length: 60 }, (_, number) => number));
    expect(new Set(rows.map(([row]) => row?.['pid'])).size).toBeLessThanOrEqual(20);
  });

  it('leaves nothing of a client to the next one: no setting, no table, no open transaction', async () => {
    const first = await backend();
    const client = new Client({ connectionString: pool.url });
    await client.connect();
    await client.query(`set search_path = elsewhere; create temporary table mine (); prepare kept as select 1`);
    await client.end();
    expect(await query(`show search_path`)).toEqual([{ search_path: '"$user", public' }]);
    await expect(query('select * from mine')).rejects.toThrow('relation "mine" does not exist');
    expect(await query('select * from pg_prepared_statements')).toEqual([]);
    const open = new Client({ connectionString: pool.url });
    await open.connect();
    await open.query('create table half ()');
    await open.query('begin; insert into half default values');
    expect((await open.query('select pg_backend_pid() as pid')).rows).toEqual([{ pid: first }]);
    await open.end();
    expect(await query('select * from half')).toEqual([]);
    expect(await backend()).not.toBe(first);
  });

  it('passes 4 MiB on whole, in both directions', async () => {
    const text = 'Klänge '.repeat(512 * 1024);
    expect(await query('select $1::text as text', [text])).toEqual([{ text }]);
  });

  it('tells an error of the database, and serves on', async () => {
    await expect(query('select 1/0')).rejects.toThrow('division by zero');
    expect(await query('select 1 as one')).toEqual([{ one: 1 }]);
  });

  it('does not hand on the connection of a client that was cut off in the middle', async () => {
    const first = await backend();
    const socket = new net.Socket();
    const client = new Client({ connectionString: pool.url, stream: () => socket });
    client.on('error', () => {});
    await client.connect();
    const cut = client.query('select pg_sleep(30)').catch((error: Error) => error.message);
    const running = `select 1 from pg_stat_activity where pid = ${String(first)} and query = 'select pg_sleep(30)'`;
    const beside = await directly();
    await expect.poll(async () => (await beside.query(running)).rows).toHaveLength(1);
    socket.destroy();
    expect(await cut).toContain('Connection terminated');
    expect(await backend()).not.toBe(first);
  });

  it('does not take a connection for idle while a second query, sent before the first one ended, still runs', async () => {
    const first = await backend();
    const socket = new net.Socket();
    const client = new Client({ connectionString: pool.url, stream: () => socket });
    client.on('error', () => {});
    await client.connect();
    socket.write(Buffer.concat([queryMessage('select 1'), queryMessage('select pg_sleep(30)')]));
    const running = `select 1 from pg_stat_activity where pid = ${String(first)} and query = 'select pg_sleep(30)'`;
    const beside = await directly();
    await expect.poll(async () => (await beside.query(running)).rows).toHaveLength(1);
    socket.destroy();
    expect(await backend()).not.toBe(first);
  });

  it('opens another connection when the database has ended one', async () => {
    const first = await backend();
    await (await directly()).query('select pg_terminate_backend($1)', [first]);
    await expect.poll(backend).not.toBe(first);
  });

  it('refuses who does not know its password, and does not ask the database', async () => {
    const url = new URL(pool.url);
    url.password = 'guessed';
    const client = new Client({ connectionString: url.href });
    await expect(client.connect()).rejects.toMatchObject({ code: '28P01' });
    expect(pool.url).not.toContain(new URL(database.url('behind')).password);
  });

  it('tells everybody that the database cannot be reached', async () => {
    const away = await startHyperdrivePool('postgres://user:canary-password@127.0.0.1:1/nowhere');
    onTestFinished(() => away.close());
    const failures = await Promise.all(
      Array.from({ length: 50 }, () =>
        new Client({ connectionString: away.url }).connect().catch((error: Error) => error),
      ),
    );
    for (const failure of failures) {
      expect(failure).toMatchObject({ code: '08006', message: expect.stringContaining('cannot be reached') });
      expect(String(failure)).not.toContain('canary-password');
    }
  });

  it('does not mind who connects and says nothing, or nonsense', async () => {
    const { port } = new URL(pool.url);
    const silent = net.connect(Number(port), '127.0.0.1');
    await once(silent, 'connect');
    const loud = net.connect(Number(port), '127.0.0.1');
    loud.resume().end('GET / HTTP/1.1\r\nhost: here\r\n\r\n');
    await once(loud, 'close');
    silent.destroy();
    expect(await query('select 1 as one')).toEqual([{ one: 1 }]);
  });
});
