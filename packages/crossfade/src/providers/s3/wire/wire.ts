import { connect, isIP, type OnReadOpts, type Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import type { BufferedAnswer } from './answer-reader.ts';
import {
  openConnection,
  requestHead,
  WireError,
  type Connection,
  type Timeouts,
  type WireRequest,
} from './connection.ts';

export type { BufferedAnswer } from './answer-reader.ts';
export { TooLong } from './answer-reader.ts';

/**
 * HTTP/1.1 for what a copy does most: a request whose answer is held whole, or goes into a buffer that is there. Bytes
 * go from the socket to where they stay, and next to nothing is made beside them. Streams go through undici. What that
 * saves, and why it is worth a client of our own here, is in `bench/transfer/README.md`.
 */
export interface Wire {
  /** Throws the connection's own errors, `BadAnswer` and `TooLong`. Makes no attempt of its own to ask again. */
  ask(request: WireRequest): Promise<BufferedAnswer>;
  /** What is under way is answered; nothing is asked any more. */
  close(): Promise<void>;
}

export interface WireOptions extends Timeouts {
  /** At once; requests beyond them wait for their turn. */
  readonly connections: number;
}

export function createWire(origin: URL, options: WireOptions): Wire {
  const dial = dialOf(origin);
  const open = new Set<Connection>();
  /** The last that was used is used first, so that those that are too many time out. */
  const idle: Connection[] = [];
  const waiting: ((connection: Connection) => void)[] = [];
  let isClosing = false;
  const closed = Promise.withResolvers<void>();

  function closeIfDone(): void {
    if (!isClosing || waiting.length > 0) return;
    for (const connection of idle.splice(0)) connection.close();
    if (open.size === 0) closed.resolve();
  }

  const events = {
    free(connection: Connection): void {
      const next = waiting.shift();
      if (next !== undefined) return next(connection);
      idle.push(connection);
      closeIfDone();
    },
    closed(connection: Connection): void {
      open.delete(connection);
      const at = idle.indexOf(connection);
      if (at !== -1) idle.splice(at, 1);
      const next = waiting.shift();
      if (next !== undefined) next(begin());
      closeIfDone();
    },
  };

  function begin(): Connection {
    const connection = openConnection(dial, options, events);
    open.add(connection);
    return connection;
  }

  function freeConnection(): Promise<Connection> | Connection {
    const last = idle.pop();
    if (last !== undefined) return last;
    if (open.size < options.connections) return begin();
    return new Promise((start) => waiting.push(start));
  }

  return {
    async ask(request) {
      if (isClosing) throw new WireError('ECLOSED', 'it was closed already');
      // First, since a connection that is taken has to be given back.
      const head = requestHead(request);
      return (await freeConnection()).ask(request, head);
    },
    close() {
      isClosing = true;
      closeIfDone();
      return closed.promise;
    },
  };
}

/** Loaded for an address that needs it: it takes longer to load than to copy a small object. */
const tls = (): typeof import('node:tls') => process.getBuiltinModule('node:tls');

function dialOf({ protocol, hostname, port }: URL): (onread: OnReadOpts) => Socket {
  // An IPv6 address stands in brackets in a URL.
  const host = hostname.replace(/^\[|\]$/g, '');
  if (protocol === 'http:') return (onread) => connect({ host, port: Number(port || 80), onread });
  let session: Buffer | undefined;
  return (onread) => {
    // Its types do not know `onread`, its documentation does.
    const options: ConnectionOptions & { onread: OnReadOpts } = {
      host,
      port: Number(port || 443),
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ALPNProtocols: ['http/1.1'],
      ...(session === undefined ? {} : { session }),
      onread,
    };
    const socket = tls().connect(options);
    socket.on('session', (fresh) => (session = fresh));
    return socket;
  };
}
