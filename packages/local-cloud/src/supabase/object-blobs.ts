import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Blob } from './object-rows.ts';
import type { Range } from './object-store.ts';
import { StorageError } from './storage-error.ts';

/** Above this size the hosted service stores in parts, and the ETag is of the parts. */
const PART_BYTES = 16 * 1024 * 1024;

/**
 * What the server keeps its bytes in: S3, as hosted, or files (the default of who hosts it himself), with the MD5 of
 * the whole or size and time as ETags.
 */
export type StorageBackend = 's3' | 'file-md5' | 'file-mtime';

interface Measured {
  add(chunk: Buffer): void;
  size(): number;
  /** Of the whole, and of its pieces of 16 MiB when there are more than one. */
  digests(): { whole: string; inParts: string | null };
}

function createMeasure(): Measured {
  const whole = createHash('md5');
  let part = createHash('md5');
  const parts: Buffer[] = [];
  let size = 0;
  let inPart = 0;
  return {
    add(chunk) {
      whole.update(chunk);
      for (let offset = 0; offset < chunk.byteLength;) {
        const taken = Math.min(PART_BYTES - inPart, chunk.byteLength - offset);
        part.update(chunk.subarray(offset, offset + taken));
        inPart += taken;
        offset += taken;
        if (inPart === PART_BYTES) {
          parts.push(part.digest());
          part = createHash('md5');
          inPart = 0;
        }
      }
      size += chunk.byteLength;
    },
    size: () => size,
    digests() {
      if (size <= PART_BYTES) return { whole: whole.digest('hex'), inParts: null };
      if (inPart > 0) parts.push(part.digest());
      return { whole: whole.digest('hex'), inParts: etagOfParts(parts) };
    },
  };
}

/** S3's ETag of a multipart upload: `MD5(part MD5s)-N`. */
export function etagOfParts(digests: readonly Buffer[]): string {
  return `${createHash('md5').update(Buffer.concat(digests)).digest('hex')}-${digests.length}`;
}

/** The bytes as files; bodies are streamed both ways, and nothing has a name before it is whole. */
export function createObjectBlobs(folder: string, backend: StorageBackend) {
  const blobs = join(folder, 'blobs');
  const multipart = join(folder, 'multipart');
  const pathOf = (version: string): string => join(blobs, version.slice(0, 2), version);

  async function etagOf(path: string, measured: Measured): Promise<string> {
    const { whole, inParts } = measured.digests();
    if (backend === 's3') return inParts ?? whole;
    if (backend === 'file-md5') return whole;
    const { mtimeMs, size } = await stat(path);
    return `${mtimeMs.toString(16)}-${size.toString(16)}`;
  }

  return {
    backend,
    /** Throws `StorageError`: EntityTooLarge beyond `most` bytes, IncompleteBody when the body ends early. */
    async write(body: AsyncIterable<Buffer>, expectedSize: number | null, most = Infinity): Promise<Blob> {
      const version = randomUUID();
      const target = pathOf(version);
      await mkdir(join(blobs, version.slice(0, 2)), { recursive: true });
      const measured = createMeasure();
      try {
        await pipeline(async function* () {
          for await (const chunk of body) {
            measured.add(chunk);
            if (measured.size() > most) throw new StorageError('EntityTooLarge');
            yield chunk;
          }
        }, createWriteStream(target));
        if (expectedSize !== null && measured.size() !== expectedSize) throw new StorageError('IncompleteBody');
        return { version, size: measured.size(), etag: await etagOf(target, measured) };
      } catch (error) {
        await rm(target, { force: true });
        throw error;
      }
    },
    read(version: string, size: number, range: Range | null): Readable {
      if (size === 0) return Readable.from([]);
      return createReadStream(pathOf(version), range === null ? {} : { start: range.start, end: range.end });
    },
    async remove(version: string): Promise<void> {
      await rm(pathOf(version), { force: true });
    },
    async beginMultipart(): Promise<string> {
      const id = randomUUID();
      await mkdir(join(multipart, id), { recursive: true });
      return id;
    },
    /** MD5 of the part, in hex, and its size. */
    async writePart(id: string, part: number, body: AsyncIterable<Buffer>): Promise<{ etag: string; size: number }> {
      const md5 = createHash('md5');
      const target = join(multipart, id, String(part));
      const half = `${target}.${randomUUID()}`;
      let size = 0;
      try {
        await pipeline(async function* () {
          for await (const chunk of body) {
            md5.update(chunk);
            size += chunk.byteLength;
            yield chunk;
          }
        }, createWriteStream(half));
        await rename(half, target);
      } catch (error) {
        await rm(half, { force: true });
        throw error;
      }
      return { etag: md5.digest('hex'), size };
    },
    async *readParts(id: string, parts: readonly number[]): AsyncGenerator<Buffer> {
      for (const part of parts) yield* createReadStream(join(multipart, id, String(part))) as AsyncIterable<Buffer>;
    },
    async removeMultipart(id: string): Promise<void> {
      await rm(join(multipart, id), { recursive: true, force: true });
    },
  };
}
