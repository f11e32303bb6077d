import { hash } from 'node:crypto';
import type { Readable } from 'node:stream';

const MOST_PARTS = 10_000;
const MIB = 1024 * 1024;

/** Size of the equal parts, bytes: as configured, larger only where 10,000 of them would not hold the object. */
export function partSizeFor(size: number, configured: number): number {
  return Math.max(configured, Math.ceil(size / MOST_PARTS / MIB) * MIB);
}

/** Cuts a body into parts of exactly `size` bytes and a smaller last one, as R2 demands of a multipart upload. */
export async function* inParts(body: Readable | Uint8Array, size: number): AsyncGenerator<Buffer> {
  const chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array> = body instanceof Uint8Array ? [body] : body;
  let part = Buffer.allocUnsafe(size);
  let filled = 0;
  for await (const chunk of chunks) {
    for (let offset = 0; offset < chunk.byteLength;) {
      const taken = Math.min(size - filled, chunk.byteLength - offset);
      part.set(chunk.subarray(offset, offset + taken), filled);
      filled += taken;
      offset += taken;
      if (filled === size) {
        yield part;
        part = Buffer.allocUnsafe(size);
        filled = 0;
      }
    }
  }
  if (filled > 0) yield part.subarray(0, filled);
}

/** The ETag of parts with these MD5s, hex, in order. */
export function compositeEtagOf(md5s: readonly string[]): string {
  const all = Buffer.concat(md5s.map((md5) => Buffer.from(md5, 'hex')));
  return `${hash('md5', all)}-${md5s.length}`;
}
