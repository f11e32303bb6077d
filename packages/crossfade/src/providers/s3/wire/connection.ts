import type { OnReadOpts, Socket } from 'node:net';
import { createAnswerReader, type AnswerReader, type BufferedAnswer, type WholeAnswer } from './answer-reader.ts';

export interface WireRequest {
  readonly method: string;
  /** With the query, as it was signed. */
  readonly path: string;
  /** With `host`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string | null;
  /** Where the body of an answer below 300 goes; `null` where it is wanted in a buffer of its own. */
  readonly into: Buffer | null;
}

/** One connection, for one request after the other. */
export interface Connection {
  /**
   * `head` is the request's, from `requestHead`. Throws the connection's own errors, `BadAnswer` and `TooLong`. Not to
   * be called again before it is answered.
   */
  ask(request: WireRequest, head: string): Promise<BufferedAnswer>;
  close(): void;
}

export interface ConnectionEvents {
  /** It waits for its next request. */
  free(connection: Connection): void;
  /** It takes none any more. */
  closed(connection: Connection): void;
}

export interface Timeouts {
  /** For a connection to come about, ms. */
  readonly connectMs: number;
  /** Without a byte in either direction, ms. */
  readonly silenceMs: number;
}

const PROBE_AFTER_MS = 60_000;
// oxlint-disable-next-line no-control-regex -- what a request must not hold
const UNFIT = /[^\t\u0020-\u007e\u0080-\u00ff]/;
const UNFIT_PATH = /[^\u0021-\u007e]/;
const WITHOUT_BODY = new Set(['GET', 'HEAD', 'DELETE']);

/** The wire's own errors, with a code as those of the network have it. */
export class WireError extends Error {
  override readonly name = 'WireError';
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

const closedEarly = (): WireError => new WireError('ECONNRESET', 'the connection was closed before an answer');

/** `dial` begins to connect, and lets what is read go where `onread` says. */
export function openConnection(
  dial: (onread: OnReadOpts) => Socket,
  timeouts: Timeouts,
  events: ConnectionEvents,
): Connection {
  interface Asked {
    readonly reader: AnswerReader;
    readonly resolve: (answer: BufferedAnswer) => void;
    readonly reject: (error: unknown) => void;
  }
  let asked: Asked | null = null;
  let isClosed = false;
  const idle = createAnswerReader('GET', null);

  function close(): void {
    if (isClosed) return;
    isClosed = true;
    socket.destroy();
    events.closed(connection);
  }

  function fail(error: unknown): void {
    const failed = asked;
    asked = null;
    close();
    failed?.reject(error);
  }

  function finish(answer: WholeAnswer): void {
    const answered = asked;
    asked = null;
    // A server that answers before it has read the request, a refusal mostly, reads no other one on this connection.
    if (answer.keepAliveMs === 0 || socket.writableLength > 0) close();
    else {
      socket.setTimeout(answer.keepAliveMs);
      events.free(connection);
    }
    answered?.resolve(answer);
  }

  /** Whatever `read` finds in what came; nobody else is there to catch an error. */
  function hear(read: (reader: AnswerReader) => WholeAnswer | null): void {
    // Nobody asked: what comes then answers nothing.
    if (asked === null) return close();
    try {
      const answer = read(asked.reader);
      if (answer !== null) finish(answer);
    } catch (error) {
      fail(error);
    }
  }

  const socket = dial({
    buffer: () => (asked?.reader ?? idle).room(),
    callback(bytes) {
      hear((reader) => reader.came(bytes));
      return true;
    },
  });
  socket.setNoDelay(true);
  socket.setKeepAlive(true, PROBE_AFTER_MS);
  socket.setTimeout(timeouts.connectMs);
  let connected = false;
  socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => {
    connected = true;
    socket.setTimeout(timeouts.silenceMs);
  });
  socket.on('timeout', () => {
    const { connectMs, silenceMs } = timeouts;
    fail(
      new WireError(
        'ETIMEDOUT',
        connected ? `nothing came for ${silenceMs} ms` : `no connection within ${connectMs} ms`,
      ),
    );
  });
  socket.on('error', fail);
  socket.once('end', () => hear((reader) => reader.ended()));
  socket.once('close', () => fail(closedEarly()));

  const connection: Connection = {
    ask({ method, body, into }, head) {
      return new Promise((resolve, reject) => {
        // Between the moment when it was free and this one.
        if (isClosed) return reject(closedEarly());
        asked = { reader: createAnswerReader(method, into), resolve, reject };
        if (connected) socket.setTimeout(timeouts.silenceMs);
        if (body === null) return void socket.write(head, 'latin1');
        // Both in one system call.
        socket.cork();
        socket.write(head, 'latin1');
        socket.write(body);
        socket.uncork();
      });
    },
    close,
  };
  return connection;
}

/**
 * The request line and the headers, with the empty line behind them.
 * @throws TypeError where a value would not be one header, or the path not one line
 */
export function requestHead({ method, path, headers, body }: WireRequest): string {
  if (UNFIT_PATH.test(path)) throw new TypeError(`a path cannot hold what ${JSON.stringify(path)} holds`);
  let head = `${method} ${path} HTTP/1.1\r\n`;
  for (const name in headers) {
    const value = headers[name] ?? '';
    if (UNFIT.test(value)) throw new TypeError(`the header ${name} cannot hold ${JSON.stringify(value)}`);
    head += `${name}: ${value}\r\n`;
  }
  const isTold = headers['content-length'] !== undefined || (body === null && WITHOUT_BODY.has(method));
  return isTold ? `${head}\r\n` : `${head}content-length: ${body === null ? 0 : Buffer.byteLength(body)}\r\n\r\n`;
}
