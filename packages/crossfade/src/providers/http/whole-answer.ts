import { Readable } from 'node:stream';
import { errors, type Dispatcher } from 'undici';

export type Headers = Dispatcher.ResponseData['headers'];

export interface WholeRequest {
  readonly origin: string;
  readonly method: Dispatcher.HttpMethod;
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string | null;
  /** Where the body of an answer below 300 goes; `null` where it is wanted in a buffer of its own. */
  readonly into: Buffer | null;
}

export interface WholeAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

/** More than was asked for: reading on would fill the memory with what nobody wants. */
export class TooLong extends Error {
  override readonly name = 'TooLong';
}

/** The server began to answer and did not finish. */
export class BrokenOff extends Error {
  override readonly name = 'BrokenOff';
  readonly code = 'ANSWER_BROKE_OFF';
}

/** Of an answer that is no object, bytes: a page of a listing has less than a tenth. */
const LONGEST_ANSWER = 64 * 1024 * 1024;
/** A body above this goes out in pieces of it, bytes. */
const PIECE_BYTES = 256 * 1024;

/**
 * One request whose answer is held whole. Its bytes are copied once, from the socket's buffer to where they stay: no
 * stream is made. Nothing is sent again. Throws the connection's own errors, `TooLong` and `BrokenOff`, and `TypeError`
 * for a request that cannot be written.
 */
export function askWhole(dispatcher: Dispatcher, request: WholeRequest): Promise<WholeAnswer> {
  const { origin, method, path, headers, body, into } = request;
  return new Promise((resolve, reject) => {
    let begun = false;
    let status = 0;
    let answered: Headers = {};
    let target = into;
    let filled = 0;
    const pieces: Buffer[] = [];
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart() {
        begun = true;
      },
      onResponseStart(_controller, code, received) {
        // 100 Continue and 103 Early Hints are only the way to the answer.
        if (code < 200) return;
        status = code;
        answered = received;
        if (code >= 300) target = null;
      },
      onResponseData(controller, piece) {
        const room = target?.byteLength ?? LONGEST_ANSWER;
        if (filled + piece.byteLength > room) {
          controller.abort(new TooLong(`more than the ${room} bytes that were asked for`));
          return;
        }
        if (target === null) pieces.push(Buffer.from(piece));
        else piece.copy(target, filled);
        filled += piece.byteLength;
      },
      onResponseEnd() {
        resolve({ status, headers: answered, body: target?.subarray(0, filled) ?? Buffer.concat(pieces) });
      },
      onResponseError(_controller, error) {
        if (error instanceof TooLong) reject(error);
        else if (status !== 0) reject(new BrokenOff(`the answer broke off: ${error.message}`));
        else if (!begun && error instanceof errors.InvalidArgumentError)
          reject(new TypeError(`the request cannot be written: ${error.message}`));
        else reject(error);
      },
    };
    // undici closes the connection after a HEAD unless it is told that this server heeds the method.
    const reuse = method === 'HEAD' ? { reset: false } : {};
    dispatcher.dispatch({ origin, method, path, headers, body: sendable(body), ...reuse }, handler);
  });
}

/**
 * undici takes a buffer for sent as soon as it is handed over. In pieces it waits for each to leave, so that a slow
 * upload is not taken for a silent server, and a connection is not used again whose request was answered before it was
 * read, as Supabase answers 403 and 413.
 */
function sendable(body: WholeRequest['body']): WholeRequest['body'] | Readable {
  if (body === null || typeof body === 'string' || body.byteLength <= PIECE_BYTES) return body;
  return Readable.from(inPieces(body), { objectMode: false });
}

function* inPieces(body: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < body.byteLength; at += PIECE_BYTES) yield body.subarray(at, at + PIECE_BYTES);
}
