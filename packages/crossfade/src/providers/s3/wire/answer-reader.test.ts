import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BadAnswer } from './answer-head.ts';
import { createAnswerReader, TooLong, type AnswerReader, type WholeAnswer } from './answer-reader.ts';

/** Gives a reader the bytes in these cuts, as a socket would: never more than there is room for. */
function feed(reader: AnswerReader, bytes: Buffer, cuts: readonly number[] = []): WholeAnswer | null {
  let [at, turn] = [0, 0];
  while (at < bytes.byteLength) {
    const room = reader.room();
    const cut = cuts.length === 0 ? bytes.byteLength : (cuts[turn++ % cuts.length] ?? 1);
    const read = bytes.subarray(at, at + Math.min(cut, room.byteLength));
    read.copy(room);
    // What is read belongs to the reader for this moment alone.
    const answer = reader.came(read.byteLength);
    if (room.byteLength >= 64 * 1024) room.fill('#');
    at += read.byteLength;
    if (answer !== null) return answer;
  }
  return null;
}

const text = (lines: readonly string[], body = ''): Buffer =>
  Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1');

const header = fc.tuple(
  fc.stringMatching(/^x-[a-z0-9-]{1,20}$/),
  fc.stringMatching(/^[!-~\u0080-\u00ff]([ -~\u0080-\u00ff]{0,40}[!-~\u0080-\u00ff])?$/),
);
const chunked = (body: Buffer, sizes: readonly number[], extension: string, trailers: readonly string[]): Buffer => {
  const pieces: Buffer[] = [];
  for (let at = 0, turn = 0; at < body.byteLength; turn++) {
    const piece = body.subarray(at, at + (sizes[turn % sizes.length] ?? 1));
    pieces.push(Buffer.from(`${piece.byteLength.toString(16)}${extension}\r\n`), piece, Buffer.from('\r\n'));
    at += piece.byteLength;
  }
  return Buffer.concat([...pieces, Buffer.from(`0\r\n${trailers.map((line) => `${line}\r\n`).join('')}\r\n`)]);
};

const answers = fc.record({
  status: fc.constantFrom(200, 201, 206, 400, 403, 404, 412, 500, 503),
  early: fc.array(fc.constantFrom('HTTP/1.1 100 Continue', 'HTTP/1.1 103 Early Hints\r\nlink: </a>'), { maxLength: 2 }),
  headers: fc.uniqueArray(header, { maxLength: 8, selector: ([name]) => name }),
  body: fc.uint8Array({ maxLength: 3000 }).map((bytes) => Buffer.from(bytes)),
  framing: fc.constantFrom('length', 'chunks', 'end'),
  sizes: fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 5 }),
  extension: fc.constantFrom('', ';name=value', ' ; quoted="a b"'),
  trailers: fc.array(fc.constantFrom('x-checksum: abc', 'etag: "x"'), { maxLength: 2 }),
  cuts: fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 6 }),
  withPlace: fc.boolean(),
});

describe('an answer', () => {
  it('is read as it was sent, however it is framed and wherever it is cut', () => {
    fc.assert(
      fc.property(answers, ({ status, early, headers, body, framing, withPlace, cuts, ...rest }) => {
        const framed = {
          length: { line: `Content-Length: ${body.byteLength}`, sent: body },
          chunks: {
            line: 'Transfer-Encoding: Chunked',
            sent: chunked(body, rest.sizes, rest.extension, rest.trailers),
          },
          end: { line: 'Connection: close', sent: body },
        }[framing];
        const lines = headers.map(([name, value]) => `${name.toUpperCase()}:  ${value} `);
        const sent = Buffer.concat([
          ...early.map((line) => text([line])),
          text([`HTTP/1.1 ${status} Whatever it means`, ...lines, framed.line]),
          framed.sent,
        ]);
        const into = withPlace ? Buffer.alloc(body.byteLength + 10, '#') : null;
        const reader = createAnswerReader('GET', into);
        const answer = feed(reader, sent, cuts) ?? reader.ended();
        expect(answer.status).toBe(status);
        expect(Object.entries(answer.headers)).toEqual(expect.arrayContaining(headers));
        expect(answer.body.equals(body)).toBe(true);
        expect(answer.keepAliveMs > 0).toBe(framing !== 'end');
        if (into !== null && status < 300) expect(into.subarray(0, body.byteLength).equals(body)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['to HEAD', 'HEAD', ['HTTP/1.1 200 OK', 'content-length: 77']],
    ['with 204', 'GET', ['HTTP/1.1 204 No Content']],
    ['with 304', 'GET', ['HTTP/1.1 304 Not Modified', 'content-length: 77']],
  ])('%s has no body, whatever its headers say', (_name, method, lines) => {
    expect(feed(createAnswerReader(method, null), text(lines))?.body).toHaveLength(0);
  });

  it('keeps all values of a header that comes several times, and headers of any name', () => {
    const lines = ['HTTP/1.1 200 OK', 'content-length: 0', 'x-a: 1', 'X-A: 2', 'x-a: 3', '__proto__: 4', 'x-empty:'];
    const headers = feed(createAnswerReader('GET', null), text(lines))?.headers ?? {};
    expect(Object.entries(headers)).toEqual([
      ['content-length', '0'],
      ['x-a', ['1', '2', '3']],
      ['__proto__', '4'],
      ['x-empty', ''],
    ]);
  });

  it.each([
    ['that says nothing of it', ['HTTP/1.1 200 OK'], 4000],
    ['that ends the connection', ['HTTP/1.1 200 OK', 'connection: Close'], 0],
    ['of HTTP/1.0', ['HTTP/1.0 200 OK'], 0],
    ['of HTTP/1.0 that keeps it', ['HTTP/1.0 200 OK', 'connection: keep-alive'], 4000],
    ['that gives it three seconds', ['HTTP/1.1 200 OK', 'keep-alive: timeout=3, max=100'], 2000],
    ['that gives it a minute', ['HTTP/1.1 200 OK', 'keep-alive: timeout=60'], 4000],
    ['that gives it one second', ['HTTP/1.1 200 OK', 'keep-alive: timeout=1'], 0],
  ])('%s lets its connection be used again for so long', (_name, lines, ms) => {
    expect(feed(createAnswerReader('GET', null), text([...lines, 'content-length: 0']))?.keepAliveMs).toBe(ms);
  });

  it('with bytes behind its end is whole, and its connection of no use', () => {
    const sent = text(['HTTP/1.1 200 OK', 'content-length: 2'], 'okHTTP/1.1 200 OK');
    expect(feed(createAnswerReader('GET', null), sent)).toMatchObject({ body: Buffer.from('ok'), keepAliveMs: 0 });
    const inChunks = text(['HTTP/1.1 200 OK', 'transfer-encoding: chunked'], '2\r\nok\r\n0\r\n\r\nmore');
    expect(feed(createAnswerReader('GET', null), inChunks)).toMatchObject({ body: Buffer.from('ok'), keepAliveMs: 0 });
  });

  it('that fails goes into no buffer that waits for an object', () => {
    const into = Buffer.from('untouched');
    const answer = feed(createAnswerReader('GET', into), text(['HTTP/1.1 404 Not Found', 'content-length: 4'], 'none'));
    expect([answer?.body.toString(), into.toString()]).toEqual(['none', 'untouched']);
  });

  it.each([
    ['announces them', ['content-length: 6']],
    ['does not announce them', ['transfer-encoding: chunked']],
    ['ends with the connection', ['connection: close']],
  ])('with more bytes than were asked for is not read to its end, when it %s', (_name, lines) => {
    const into = Buffer.alloc(5);
    const body = lines[0]?.includes('chunked') ? '3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n' : 'abcdef';
    const read = (): unknown => feed(createAnswerReader('GET', into), text(['HTTP/1.1 200 OK', ...lines], body));
    expect(read).toThrow(TooLong);
  });

  it('of more bytes than any listing has is refused before a byte of them is read', () => {
    const lines = ['HTTP/1.1 500 Oops', `content-length: ${65 * 1024 * 1024}`];
    expect(() => feed(createAnswerReader('GET', null), text(lines))).toThrow(TooLong);
  });

  it.each([
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
    ['HTTP/2', 'HTTP/2 200\r\n\r\n'],
    ['no status', 'HTTP/1.1 OK\r\n\r\n'],
    ['a switch of protocols', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n'],
    ['a header without a colon', 'HTTP/1.1 200 OK\r\ncontent-length 5\r\n\r\n'],
    ['a header without a name', 'HTTP/1.1 200 OK\r\n: 5\r\n\r\n'],
    ['a space before the colon', 'HTTP/1.1 200 OK\r\ncontent-length : 5\r\n\r\n'],
    ['a header over two lines', 'HTTP/1.1 200 OK\r\nx-a: 1\r\n 2\r\n\r\n'],
    ['a lone CR in a header', 'HTTP/1.1 200 OK\r\nx-a: 1\rcontent-length: 5\r\n\r\n'],
    ['a length that is no number', 'HTTP/1.1 200 OK\r\ncontent-length: 5a\r\n\r\n'],
    ['a length below zero', 'HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n'],
    ['a length and chunks', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n'],
    ['another coding', 'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n'],
    ['a chunk without a size', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\r\n'],
    ['a chunk of a size that is none', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0x5\r\nabcde'],
    ['a chunk that is longer than its size', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabc\r\n'],
    ['lines among the chunks without CR', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\nab\n0\n\n'],
    ['a chunk’s line without end', `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;${'x'.repeat(5000)}`],
    ['a head without end', `HTTP/1.1 200 OK\r\n${'x-a: 1\r\n'.repeat(10_000)}`],
  ])('with %s is none', (_name, sent) => {
    expect(() => feed(createAnswerReader('GET', null), Buffer.from(sent, 'latin1'))).toThrow(BadAnswer);
  });

  it.each([
    ['before its head', 'HTTP/1.1 200 OK\r\ncontent-', 'ended before an answer'],
    ['within its body', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc', 'broke off'],
    ['within its chunks', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n', 'broke off'],
  ])('whose connection ends %s is none', (_name, sent, reason) => {
    const reader = createAnswerReader('GET', Buffer.alloc(5));
    expect(feed(reader, Buffer.from(sent))).toBeNull();
    expect(() => reader.ended()).toThrow(reason);
  });
});
