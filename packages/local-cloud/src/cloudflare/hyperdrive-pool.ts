import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { Client } from 'pg';
import {
  ASK_FOR_PASSWORD,
  createFrameReader,
  fatal,
  IDLE,
  MESSAGE,
  queryMessage,
  SIGNED_IN,
  STARTUP,
} from './postgres-frames.ts';

/** What the vendor opens at most to the database of one config, on its free plan. */
const MOST_CONNECTIONS = 20;
const LARGEST_SIGN_IN = 10_000;
/** Nothing of who had the connection before is left: settings, temporary tables, prepared statements, locks. */
const RESET = queryMessage('DISCARD ALL');

/** What a client sends that the database ends with ReadyForQuery. */
const ENDED_BY_READY: ReadonlySet<number> = new Set([MESSAGE.query, MESSAGE.sync, MESSAGE.functionCall]);

/** A connection to the database that is signed in. */
interface Connection {
  readonly socket: net.Socket;
  /** Who has it; `null` while it waits or is being reset. */
  client: net.Socket | null;
  /** Whether it waits for the next query, outside of any transaction. */
  isIdle: boolean;
  /** Queries whose end the database has not told yet: a client may send the next ones before. */
  owed: number;
  /** What comes when it is next idle, with nobody having it. */
  onIdle: (() => void) | null;
}

export interface HyperdrivePool {
  /** What a Worker connects to; its password is the pool's own. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * The part of Hyperdrive that a database feels: Workers connect anew for every request, and what they get is a
 * connection that is signed in already and was used before. Without it each request costs a new process of Postgres
 * and a proof of the password. One client has a connection until it ends; queries are not cached.
 */
export async function startHyperdrivePool(origin: string): Promise<HyperdrivePool> {
  const password = randomBytes(16).toString('hex');
  const waiting: ((connection: Connection | Error) => void)[] = [];
  const free: Connection[] = [];
  const clients = new Set<net.Socket>();
  const all = new Set<Connection>();
  let opening = 0;
  /** Nobody has them, and they are free in a moment. */
  const resetting = new Set<Connection>();
  let isClosed = false;

  async function open(): Promise<Connection> {
    opening++;
    try {
      const socket = new net.Socket();
      // The library signs in, whatever way the database asks for; then the connection is its own no more.
      await new Client({ connectionString: origin, stream: () => socket }).connect();
      for (const event of ['data', 'error', 'end', 'close']) socket.removeAllListeners(event);
      socket.setNoDelay(true);
      const connection: Connection = { socket, client: null, isIdle: true, owed: 0, onIdle: null };
      serve(connection);
      return connection;
    } finally {
      opening--;
    }
  }

  function serve(connection: Connection): void {
    const { socket } = connection;
    const read = createFrameReader();
    all.add(connection);
    socket.on('data', (chunk: Buffer) => {
      for (const { type, first } of read(chunk)) {
        if (type !== MESSAGE.readyForQuery) continue;
        connection.owed--;
        connection.isIdle = connection.owed === 0 && first === IDLE;
      }
      const { client, onIdle } = connection;
      if (client === null) {
        if (onIdle !== null && connection.isIdle) return onIdle();
        // One that waits and says something is being ended by the database.
        return onIdle === null ? void socket.destroy() : undefined;
      }
      if (client.write(chunk)) return;
      socket.pause();
      client.once('drain', () => socket.resume());
    });
    // Why it ended is told by what its client sees.
    socket.on('error', () => {});
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      all.delete(connection);
      resetting.delete(connection);
      if (free.includes(connection)) free.splice(free.indexOf(connection), 1);
      connection.client?.destroy();
      openForWaiting();
    });
  }

  /** Somebody waits for whom none is free in a moment, and there is room for one more. */
  function openForWaiting(): void {
    if (isClosed || waiting.length <= resetting.size || all.size + opening >= MOST_CONNECTIONS) return;
    const give = waiting.shift();
    open().then(
      (connection) => give?.(connection),
      (error: unknown) => {
        give?.(error instanceof Error ? error : new Error(String(error)));
        // Whoever had no room to try it waits still.
        openForWaiting();
      },
    );
  }

  function take(): Promise<Connection> {
    const connection = free.pop();
    if (connection !== undefined) return Promise.resolve(connection);
    return new Promise((resolve, reject) => {
      waiting.push((given) => (given instanceof Error ? reject(given) : resolve(given)));
      openForWaiting();
    });
  }

  function giveBack(connection: Connection): void {
    connection.client = null;
    connection.socket.resume();
    // In the middle of something, or gone: nobody else may get what is left of it.
    if (!connection.isIdle || connection.socket.destroyed) return void connection.socket.destroy();
    [connection.isIdle, connection.owed] = [false, 1];
    resetting.add(connection);
    connection.onIdle = () => {
      connection.onIdle = null;
      resetting.delete(connection);
      const next = waiting.shift();
      if (next === undefined) free.push(connection);
      else next(connection);
    };
    connection.socket.write(RESET);
  }

  async function attend(client: net.Socket): Promise<void> {
    if (!(await signIn(client, password))) return void client.end(fatal('28P01', 'password authentication failed'));
    const connection = await take().catch((error: unknown) => {
      client.end(fatal('08006', `the database of this Hyperdrive config cannot be reached: ${String(error)}`));
    });
    if (connection === undefined) return;
    if (client.destroyed) return giveBack(connection);
    connection.client = client;
    const read = createFrameReader();
    let isOver = false;
    const over = (): void => {
      if (isOver) return;
      isOver = true;
      giveBack(connection);
      client.end();
    };
    client.on('data', (chunk: Buffer) => {
      if (isOver) return;
      const frames = read(chunk);
      const ending = frames.find(({ type }) => type === MESSAGE.terminate);
      connection.owed += frames.filter(({ type }) => ENDED_BY_READY.has(type)).length;
      // Its five bytes are for the pool. Where they came in two pieces the database has some of them already.
      const rest = ending === undefined ? chunk : chunk.subarray(0, Math.max(0, ending.at - 5));
      if (rest.length > 0) {
        connection.isIdle = false;
        if (!connection.socket.write(rest)) {
          client.pause();
          connection.socket.once('drain', () => client.resume());
        }
      }
      if (ending === undefined) return;
      if (ending.at < 5) connection.isIdle = false;
      over();
    });
    client.on('close', over);
    client.write(SIGNED_IN);
    client.resume();
  }

  const server = net.createServer({ noDelay: true }, (client) => {
    clients.add(client);
    client.on('close', () => clients.delete(client));
    // Somebody who is cut off is no trouble of the pool's.
    client.on('error', () => {});
    attend(client).catch(() => client.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('the pool listens on no TCP port');
  const url = new URL(origin);
  [url.hostname, url.port, url.password] = ['127.0.0.1', String(bound.port), password];
  return {
    url: url.href,
    async close() {
      isClosed = true;
      const closed = once(server, 'close');
      server.close();
      for (const client of clients) client.destroy();
      for (const { socket } of all) socket.destroy();
      await closed;
    },
  };
}

/** Whether the client knows the pool's password; what it sends after that is left to be read. */
async function signIn(client: net.Socket, password: string): Promise<boolean> {
  let bytes = Buffer.alloc(0);
  /** That many bytes at least, or `false` when the client goes away or sends too much. */
  const has = async (count: number): Promise<boolean> => {
    while (bytes.length < count) {
      if (count > LARGEST_SIGN_IN || client.destroyed || client.readableEnded) return false;
      const chunk = client.read() as Buffer | null;
      if (chunk !== null) bytes = Buffer.concat([bytes, chunk]);
      else await anyOf(client, ['readable', 'end', 'close']);
    }
    return true;
  };
  for (;;) {
    if (!(await has(8))) return false;
    const [length, code] = [bytes.readUInt32BE(0), bytes.readUInt32BE(4)];
    if (length < 8 || !(await has(length))) return false;
    bytes = bytes.subarray(length);
    if (code === STARTUP.version3) break;
    // There is no encryption on this machine's own interface, and nothing to cancel.
    if (code !== STARTUP.ssl && code !== STARTUP.gss) return false;
    client.write('N');
  }
  client.write(ASK_FOR_PASSWORD);
  if (!(await has(5)) || bytes[0] !== MESSAGE.password) return false;
  const length = bytes.readUInt32BE(1) + 1;
  if (!(await has(length))) return false;
  const [given, expected] = [bytes.subarray(5, length - 1), Buffer.from(password)];
  if (bytes.length > length) client.unshift(bytes.subarray(length));
  return given.length === expected.length && timingSafeEqual(given, expected);
}

async function anyOf(client: net.Socket, events: readonly string[]): Promise<void> {
  const heard = new AbortController();
  try {
    await Promise.race(events.map((event) => once(client, event, { signal: heard.signal })));
  } finally {
    heard.abort();
  }
}
