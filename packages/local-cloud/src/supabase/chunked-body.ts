import { createHash, createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Signed } from './s3-signature.ts';
import { StorageError } from './storage-error.ts';

const SIGNED = /^STREAMING-AWS4-HMAC-SHA256-PAYLOAD(-TRAILER)?$/;
const UNSIGNED = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';
/** A frame's head and a trailer are short: size, signature, a checksum. */
const LONGEST_LINE = 4096;
const CRLF = '\r\n';
const sha256 = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex');

export interface S3Body {
  readonly bytes: AsyncIterable<Buffer>;
  /** As announced, without frames; `null` when nothing was. */
  readonly size: number | null;
}

/** The object in a request's body: as it is, or taken out of `aws-chunked` frames, whose signatures are verified. */
export function bodyOf(request: IncomingMessage, signed: Signed): S3Body {
  const hash = String(request.headers['x-amz-content-sha256'] ?? '');
  const isSigned = SIGNED.test(hash);
  const decoded = request.headers['x-amz-decoded-content-length'];
  if (isSigned || hash === UNSIGNED)
    return { bytes: unframed(request, isSigned ? signed : null), size: decoded === undefined ? null : Number(decoded) };
  const length = request.headers['content-length'];
  return { bytes: request, size: length === undefined ? null : Number(length) };
}

/** Lines and counted bytes of a stream. */
function createReader(stream: AsyncIterable<Buffer>) {
  const chunks = stream[Symbol.asyncIterator]();
  let held = Buffer.alloc(0);
  async function more(): Promise<boolean> {
    const { value, done } = await chunks.next();
    if (done !== true) held = Buffer.concat([held, value]);
    return done !== true;
  }
  return {
    async line(): Promise<string> {
      for (;;) {
        const end = held.indexOf(CRLF);
        if (end >= 0) {
          const line = held.toString('latin1', 0, end);
          held = held.subarray(end + CRLF.length);
          return line;
        }
        if (held.byteLength > LONGEST_LINE) throw malformed();
        // The very last line break may be missing.
        if (!(await more())) {
          const rest = held.toString('latin1');
          held = Buffer.alloc(0);
          return rest;
        }
      }
    },
    async *bytes(count: number): AsyncGenerator<Buffer> {
      for (let left = count; left > 0;) {
        if (held.byteLength === 0 && !(await more())) throw new StorageError('IncompleteBody');
        const piece = held.subarray(0, left);
        held = held.subarray(piece.byteLength);
        left -= piece.byteLength;
        yield piece;
      }
    },
  };
}

const malformed = (): StorageError => new StorageError('InvalidRequest', 'The body is not framed as aws-chunked says');

/**
 * S3 API, "Signature calculations for the Authorization header: transferring payload in multiple chunks": each frame is
 * `SIZE[;chunk-signature=…]`, a line break, the bytes and a line break; one of no bytes ends them, trailers follow it.
 */
async function* unframed(stream: AsyncIterable<Buffer>, signed: Signed | null): AsyncGenerator<Buffer> {
  const reader = createReader(stream);
  let previous = signed?.signature ?? '';
  const verify = (kind: 'PAYLOAD' | 'TRAILER', parts: readonly string[], given: string): void => {
    if (signed === null) return;
    const toSign = [`AWS4-HMAC-SHA256-${kind}`, signed.timestamp, signed.scope, previous, ...parts].join('\n');
    previous = createHmac('sha256', signed.key).update(toSign).digest('hex');
    if (given !== previous) throw new StorageError('SignatureDoesNotMatch');
  };
  for (;;) {
    const [, hex, signature = ''] =
      /^([0-9a-f]{1,8})(?:;chunk-signature=([0-9a-f]{64}))?$/i.exec(await reader.line()) ?? [];
    if (hex === undefined) throw malformed();
    const size = Number.parseInt(hex, 16);
    const hash = createHash('sha256');
    for await (const piece of reader.bytes(size)) {
      hash.update(piece);
      yield piece;
    }
    verify('PAYLOAD', [sha256(''), hash.digest('hex')], signature);
    if (size === 0) break;
    if ((await reader.line()) !== '') throw malformed();
  }
  let trailers = '';
  for (let line = await reader.line(); line !== ''; line = await reader.line()) {
    const [name = '', ...value] = line.split(':');
    // As measured: a wrong checksum is not noticed.
    if (name === 'x-amz-trailer-signature') verify('TRAILER', [sha256(trailers)], value.join(':'));
    else trailers += `${line}\n`;
  }
}
