import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { PassThrough } from 'node:stream';
import pLimit from 'p-limit';
import type { ObjectHead, ObjectStore } from '../providers/providers.ts';
import { errorText } from '../rollout/error-text.ts';
import { mergeListings } from './merge-listings.ts';
import { createProgress, type TransferProgress } from './progress.ts';

/** Objects up to this size are held whole, which saves a stream and lets the target check their MD5. */
const SMALL_BYTES = 512 * 1024;
const ATTEMPTS = 3;

export interface CopyOptions {
  readonly from: ObjectStore;
  readonly to: ObjectStore;
  /** Objects on their way at once. */
  readonly concurrency: number;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: TransferProgress) => void;
  /** Only keys for which this holds; all when absent. */
  readonly filter?: (key: string) => boolean;
}

export interface CopyResult {
  readonly copied: number;
  readonly bytes: number;
  /** Were there already, with the same bytes as far as the listing shows. */
  readonly present: number;
  readonly failed: readonly { key: string; reason: string }[];
}

/** Whether the listings alone show that the target needs a copy: it is missing, has another size or another MD5. */
export function needsCopy(from: ObjectHead, to: ObjectHead | null): boolean {
  if (to === null || to.size !== from.size) return true;
  const plain = isPlainMd5(from.etag) && isPlainMd5(to.etag);
  if (plain) return from.etag !== to.etag;
  // Composite ETags depend on the part size: a source written after the copy is copied again, others are verified apart.
  return Date.parse(from.lastModified) > Date.parse(to.lastModified);
}

/** An ETag that is the MD5 of the bytes, not of the parts' MD5s. */
export function isPlainMd5(etag: string): boolean {
  return /^[0-9a-f]{32}$/.test(etag);
}

/** Copies what the target lacks, streamed and hashed on the way; running it again copies only what is still missing. */
export async function copyObjects(options: CopyOptions): Promise<CopyResult> {
  const { from, to, signal, filter = () => true } = options;
  const missing: ObjectHead[] = [];
  let present = 0;
  for await (const pair of mergeListings(from.list(), to.list())) {
    signal.throwIfAborted();
    if (pair.from === null || !filter(pair.key)) continue;
    if (needsCopy(pair.from, pair.to)) missing.push(pair.from);
    else present++;
  }
  const totalBytes = missing.reduce((sum, object) => sum + object.size, 0);
  const progress = createProgress(missing.length, totalBytes, options.onProgress ?? (() => {}));
  const limit = pLimit(options.concurrency);
  const failed: { key: string; reason: string }[] = [];
  let copied = 0;
  let bytes = 0;
  await Promise.all(
    missing.map((object) =>
      limit(async () => {
        if (signal.aborted) return;
        const reason = await copyWithRetries(from, to, object.key);
        if (reason === null) {
          copied++;
          bytes += object.size;
          progress.add(object.size);
        } else failed.push({ key: object.key, reason });
      }),
    ),
  );
  signal.throwIfAborted();
  progress.done();
  return { copied, bytes, present, failed };
}

/** `null` when the object arrived (or the source has deleted it meanwhile), otherwise why not. */
async function copyWithRetries(from: ObjectStore, to: ObjectStore, key: string): Promise<string | null> {
  let reason: string | null = null;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    try {
      await copyObject(from, to, key);
      return null;
    } catch (error) {
      reason = errorText(error);
      if (attempt < ATTEMPTS) await new Promise((resolve) => setTimeout(resolve, 200 * 2 ** attempt * Math.random()));
    }
  }
  return reason;
}

/** Copies one object; throws when fewer or other bytes arrived than the source announced. */
async function copyObject(from: ObjectStore, to: ObjectStore, key: string): Promise<void> {
  const source = await from.get(key);
  if (source === null) return;
  const { size, meta, body } = source;
  const md5 = createHash('md5');
  let received = 0;
  const counted = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of body) {
      const bytes = Buffer.from(chunk);
      received += bytes.byteLength;
      md5.update(bytes);
      yield bytes;
    }
    if (received !== size) throw new Error(`${received} of ${size} bytes came from ${from.label}`);
  };
  let stored: { etag: string };
  if (size <= SMALL_BYTES) {
    const chunks: Buffer[] = [];
    for await (const chunk of counted()) chunks.push(chunk);
    stored = await to.put(key, Buffer.concat(chunks), size, meta);
  } else {
    const through = new PassThrough({ highWaterMark: 1024 * 1024 });
    const pumped = pipeline(counted, through);
    try {
      [stored] = await Promise.all([to.put(key, through, size, meta), pumped]);
    } catch (error) {
      through.destroy();
      await pumped.catch(() => {});
      throw error;
    }
  }
  const digest = md5.digest('hex');
  if (isPlainMd5(source.etag) && source.etag !== digest) throw new Error(`the source says MD5 ${source.etag}, its bytes are ${digest}`);
  if (isPlainMd5(stored.etag) && stored.etag !== digest) throw new Error(`the target stored MD5 ${stored.etag}, sent was ${digest}`);
}
