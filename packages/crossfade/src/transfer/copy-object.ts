import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { ObjectBody, ObjectStore } from '../providers/providers.ts';
import { isPlainMd5 } from './composite-etag.ts';
import { discard, readBody } from './object-body.ts';

/** Objects up to this size, bytes, are held whole: that saves a stream and lets the target check their MD5. */
const SMALL_BYTES = 512 * 1024;

export interface CopiedObject {
  readonly key: string;
  readonly size: number;
  /** As the target stored it. */
  readonly etag: string;
  /** Of the bytes that went by. */
  readonly md5: string;
  readonly sha256: string;
}

/**
 * Copies one object with its metadata, streamed and hashed on the way. `null` when the source has it no more.
 * `moved` is told of each chunk's bytes.
 * @throws Error when other bytes arrived than the source announced, or others were stored than were sent.
 */
export async function copyObject(
  from: ObjectStore,
  to: ObjectStore,
  key: string,
  signal: AbortSignal,
  moved: (bytes: number) => void,
): Promise<CopiedObject | null> {
  const source = await from.get(key);
  if (source === null) return null;
  const { size } = source;
  const md5 = createHash('md5');
  const sha256 = createHash('sha256');
  const hashed = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of readBody(from, source, signal)) {
      md5.update(chunk);
      sha256.update(chunk);
      moved(chunk.byteLength);
      yield chunk;
    }
  };
  const { etag } = await putHashed(to, source, hashed());
  const digest = md5.digest('hex');
  if (isPlainMd5(source.etag) && source.etag !== digest) {
    throw new Error(`${from.label} says that the MD5 is ${source.etag}, the bytes it sent have ${digest}`);
  }
  if (isPlainMd5(etag) && etag !== digest) {
    throw new Error(`${to.label} stored bytes with the MD5 ${etag}, sent was ${digest}`);
  }
  return { key, size, etag, md5: digest, sha256: sha256.digest('hex') };
}

async function putHashed(
  to: ObjectStore,
  source: ObjectBody,
  bytes: AsyncGenerator<Buffer>,
): Promise<{ etag: string }> {
  const { key, size, meta } = source;
  if (size <= SMALL_BYTES) {
    const chunks: Buffer[] = [];
    for await (const chunk of bytes) chunks.push(chunk);
    return to.put(key, Buffer.concat(chunks), size, meta);
  }
  const stream = Readable.from(bytes, { objectMode: false });
  try {
    return await to.put(key, stream, size, meta);
  } catch (error) {
    // A target that refuses may not have read a byte: the source's connection must not wait for it.
    discard(stream);
    discard(source.body);
    throw error;
  }
}
