import { execFile, spawn } from 'node:child_process';
import { chmod, chown, mkdir, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { closedFolderAbove, postgresBinaries } from './postgres-binaries.ts';
import { isAlive } from './processes.ts';
import { serverUser } from './server-user.ts';
import { withStartLock } from './start-lock.ts';

const run = promisify(execFile);
const USER = 'crossfade';
const START_MS = 30_000;
const STOP_MS = 20_000;
/** Another process that makes the same database is waited for so long: it runs initdb, then starts. */
const LOCK_MS = 2 * START_MS;
const POLL_MS = 25;

export interface DatabaseServer {
  readonly port: number;
  readonly pid: number;
  /** Connection string of one database. */
  url(database: string): string;
  ensureDatabase(name: string): Promise<void>;
  /** Fast shutdown; resolves when the process is gone. */
  stop(): Promise<void>;
}

export interface DatabaseServerOptions {
  readonly folder: string;
  readonly password: string;
  readonly databases?: readonly string[];
  /** A free one unless named. */
  readonly port?: number;
  /** `false` trades crash safety of the machine (not of processes) for speed. Default `true`. */
  readonly durable?: boolean;
}

const dataOf = (folder: string): string => join(folder, 'data');
const logOf = (folder: string): string => join(folder, 'postgres.log');

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        address !== null && typeof address === 'object' ? resolve(address.port) : reject(new Error('no free port')),
      );
    });
  });
}

/** pid and port of the server that holds this folder, from its `postmaster.pid`; `null` when none lives. */
async function holder(folder: string): Promise<{ pid: number; port: number } | null> {
  const lines = (await readFile(join(dataOf(folder), 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  const pid = Number(lines[0]);
  const port = Number(lines[3]);
  if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return null;
  // The pid may have been given to another process since: only a postgres counts.
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => 'postgres');
  return command.includes('postgres') ? { pid, port } : null;
}

/** Waits until the process is gone. */
async function gone(pid: number, timeoutMs: number): Promise<boolean> {
  for (const start = performance.now(); performance.now() - start < timeoutMs;) {
    if (!isAlive(pid)) return true;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return !isAlive(pid);
}

function serverAt(folder: string, pid: number, port: number, password: string): DatabaseServer {
  const url = (database: string): string =>
    `postgresql://${USER}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`;
  return {
    pid,
    port,
    url,
    async ensureDatabase(name) {
      const client = new Client({ connectionString: url('postgres') });
      await client.connect();
      try {
        const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [name]);
        if (rowCount === 0) await client.query(`create database ${client.escapeIdentifier(name)}`);
      } finally {
        await client.end();
      }
    },
    async stop() {
      if (!isAlive(pid)) return;
      // SIGINT is PostgreSQL's fast shutdown: sessions are ended, data is written.
      process.kill(pid, 'SIGINT');
      if (await gone(pid, STOP_MS)) return;
      process.kill(pid, 'SIGQUIT');
      if (!(await gone(pid, STOP_MS))) throw new Error(`the database (pid ${pid}) of ${folder} does not stop`);
    },
  };
}

/** The server that runs in this folder, for somebody who only wants to stop it; `null` when none does. */
export async function findDatabaseServer(folder: string): Promise<Pick<DatabaseServer, 'pid' | 'stop'> | null> {
  const found = await holder(folder);
  return found === null ? null : serverAt(folder, found.pid, found.port, '');
}

/** Resolves when the server takes a connection; throws with the log's end when it died first. */
async function ready(folder: string, server: DatabaseServer): Promise<void> {
  const start = performance.now();
  for (;;) {
    const client = new Client({ connectionString: server.url('postgres') });
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      if (!isAlive(server.pid) || performance.now() - start > START_MS) {
        const log = await readFile(logOf(folder), 'utf8').catch(() => '');
        throw new Error(`the database in ${folder} did not start:\n${log.trim().split('\n').slice(-8).join('\n')}`, {
          cause: error,
        });
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

/**
 * Starts PostgreSQL in a folder (made when missing), in a session of its own so that Ctrl-C does not reach it, or
 * finds the one that another process has started there. Several processes may do so at once.
 */
export async function startDatabaseServer(options: DatabaseServerOptions): Promise<DatabaseServer> {
  await mkdir(options.folder, { recursive: true });
  return withStartLock(options.folder, LOCK_MS, () => startOrFind(options));
}

async function startOrFind(options: DatabaseServerOptions): Promise<DatabaseServer> {
  const { folder, password } = options;
  const found = await holder(folder);
  let server = found === null ? await launch(options) : serverAt(folder, found.pid, found.port, password);
  try {
    await ready(folder, server);
  } catch (error) {
    // One that was found may have been on its way out.
    if (found === null || isAlive(found.pid)) throw error;
    server = await launch(options);
    await ready(folder, server);
  }
  for (const name of options.databases ?? []) await server.ensureDatabase(name);
  return server;
}

async function launch(options: DatabaseServerOptions): Promise<DatabaseServer> {
  const { folder, password } = options;
  const user = await serverUser();
  const binaries = await postgresBinaries(user !== null);
  if (user !== null) {
    const closed = await closedFolderAbove(join(folder, 'data'));
    if (closed !== null) {
      throw new Error(`the database's user cannot pass through ${closed}; run: chmod o+x ${closed}`);
    }
    await chown(folder, user.uid, user.gid);
  }
  const identity = user === null ? {} : { uid: user.uid, gid: user.gid };
  const data = dataOf(folder);
  if ((await stat(join(data, 'PG_VERSION')).catch(() => null)) === null) {
    // What an interrupted initdb left is of no use.
    await rm(data, { recursive: true, force: true });
    const passwordFile = join(folder, 'password');
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
    if (user !== null) await chown(passwordFile, user.uid, user.gid);
    try {
      await run(
        binaries.initdb,
        [
          '-D',
          data,
          '-U',
          USER,
          '--auth=scram-sha-256',
          `--pwfile=${passwordFile}`,
          '--encoding=UTF8',
          '--locale=C',
          '--no-sync',
        ],
        { ...identity, cwd: tmpdir(), env: { ...process.env, LC_ALL: 'C', LC_MESSAGES: 'C' } },
      );
    } finally {
      await rm(passwordFile, { force: true });
    }
    await chmod(data, 0o700);
  }
  const port = options.port ?? (await freePort());
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    max_connections: 120,
    shared_buffers: '64MB',
    fsync: options.durable === false ? 'off' : 'on',
    synchronous_commit: options.durable === false ? 'off' : 'on',
    full_page_writes: options.durable === false ? 'off' : 'on',
  };
  const log = await open(logOf(folder), 'a');
  try {
    const child = spawn(
      binaries.postgres,
      ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      {
        ...identity,
        cwd: tmpdir(),
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
      },
    );
    const pid = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('spawn', () => resolve(child.pid ?? 0));
    });
    child.unref();
    return serverAt(folder, pid, port, password);
  } finally {
    await log.close();
  }
}
