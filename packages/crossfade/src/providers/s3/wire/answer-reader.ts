import type { Headers } from '../answers.ts';
import { BadAnswer, parseHead, type AnswerHead } from './answer-head.ts';
import { createChunkReader, type ChunkReader } from './chunk-reader.ts';

export interface BufferedAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

export type WholeAnswer = BufferedAnswer & Pick<AnswerHead, 'keepAliveMs'>;

/** More than was asked for: reading on would fill the memory with what nobody wants. */
export class TooLong extends Error {
  override readonly name = 'TooLong';
}

/** Reads one answer, wherever it is cut. */
export interface AnswerReader {
  /** Where the socket is to put what it reads next. */
  room(): Buffer;
  /**
   * So many bytes have come there. Answers with the answer once it is whole, with `null` before.
   * @throws BadAnswer, and TooLong when more comes than was asked for
   */
  came(bytes: number): WholeAnswer | null;
  /** The server has ended the connection. @throws BadAnswer when the answer is not whole by then */
  ended(): WholeAnswer;
}

const READ_BYTES = 64 * 1024;
const END_OF_HEAD = '\r\n\r\n';
/** Bytes of a head; more than any server's. */
const LONGEST_HEAD = 64 * 1024;
/** Of an answer that is no object, bytes: a page of a listing has less than a tenth. */
const LONGEST_ANSWER = 64 * 1024 * 1024;
const NOTHING = Buffer.alloc(0);

/**
 * Heads and chunks pass through here, of all connections: what is read is taken out before anything else is read. It
 * would be memory anew for each read otherwise, and the garbage collector's work.
 */
const passage = Buffer.allocUnsafeSlow(READ_BYTES);

/** For the answer to one request. Below 300 its body goes into `into`, straight from the socket, where one is given. */
export function createAnswerReader(method: string, into: Buffer | null): AnswerReader {
  /** What came of a head that is not whole. */
  let begun: Buffer = NOTHING;
  let head: AnswerHead | null = null;
  let chunks: ChunkReader | null = null;
  /** For the body, where its length is known or it has a place; otherwise it is collected in `pieces`. */
  let target: Buffer | null = null;
  /** The target, where the socket may put into it itself what is still missing. */
  let straight: Buffer | null = null;
  let filled = 0;
  const pieces: Buffer[] = [];

  function take(bytes: Buffer): WholeAnswer | null {
    return head === null ? takeHead(bytes) : takeBody(head, bytes);
  }

  function takeHead(bytes: Buffer): WholeAnswer | null {
    const all = begun.byteLength === 0 ? bytes : Buffer.concat([begun, bytes]);
    const end = all.indexOf(END_OF_HEAD);
    if (end === -1) {
      if (all.byteLength > LONGEST_HEAD) throw new BadAnswer(`a head of more than ${LONGEST_HEAD} bytes`);
      begun = Buffer.from(all);
      return null;
    }
    const parsed = parseHead(all.toString('latin1', 0, end), method);
    const rest = all.subarray(end + END_OF_HEAD.length);
    begun = NOTHING;
    if (parsed.status >= 200) return expectBody(parsed, rest);
    if (parsed.status === 101) throw new BadAnswer('a switch to another protocol');
    // Only the way to the answer: 100 Continue, 103 Early Hints.
    return rest.byteLength === 0 ? null : takeHead(rest);
  }

  function expectBody(parsed: AnswerHead, rest: Buffer): WholeAnswer | null {
    head = parsed;
    const { status, framing } = parsed;
    if (status < 300) target = into;
    if (framing === 'chunked') chunks = createChunkReader(keep);
    else if (framing !== 'until-end') {
      const room = target?.byteLength ?? LONGEST_ANSWER;
      if (framing > room) throw tooLong(room);
      target = target === null ? Buffer.allocUnsafe(framing) : target.subarray(0, framing);
      straight = target;
    }
    return takeBody(parsed, rest);
  }

  function takeBody(of: AnswerHead, bytes: Buffer): WholeAnswer | null {
    if (chunks !== null) {
      const used = chunks.take(bytes);
      return used === null ? null : whole(of, used < bytes.byteLength);
    }
    if (of.framing === 'until-end') {
      keep(bytes);
      return null;
    }
    const missing = Number(of.framing) - filled;
    keep(bytes.subarray(0, missing));
    return bytes.byteLength < missing ? null : whole(of, bytes.byteLength > missing);
  }

  function keep(bytes: Buffer): void {
    const room = target?.byteLength ?? LONGEST_ANSWER;
    if (filled + bytes.byteLength > room) throw tooLong(room);
    if (target === null) pieces.push(Buffer.from(bytes));
    else bytes.copy(target, filled);
    filled += bytes.byteLength;
  }

  /** `more` when there are bytes behind its end: what they are nobody knows, so the connection is of no use. */
  function whole({ status, headers, keepAliveMs }: AnswerHead, more = false): WholeAnswer {
    const body = target === null ? Buffer.concat(pieces) : target.subarray(0, filled);
    return { status, headers, body, keepAliveMs: more ? 0 : keepAliveMs };
  }

  return {
    room: () => straight?.subarray(filled) ?? passage,
    came(bytes) {
      if (head === null || straight === null) return take(passage.subarray(0, bytes));
      filled += bytes;
      return filled === straight.byteLength ? whole(head) : null;
    },
    ended() {
      if (head?.framing === 'until-end') return whole(head);
      throw new BadAnswer(head === null ? 'the connection ended before an answer' : 'the answer broke off');
    },
  };
}

function tooLong(room: number): TooLong {
  return new TooLong(`more than the ${room} bytes that were asked for`);
}
