import { createHash, hash } from 'node:crypto';
import { Readable } from 'node:stream';
import { isRetryable, ProviderError } from '../providers/provider-error.ts';
import type { ObjectHead, ObjectMeta, ObjectStore } from '../providers/providers.ts';
import { takesParts, type CopySource } from '../providers/store-abilities.ts';
import { isPlainMd5 } from './composite-etag.ts';
import { copyInParts, partSizeOf } from './copy-parts.ts';
import { expectSource, expectStored, type CopiedObject, type CopyTools } from './copy-tools.ts';
import { keptMeta } from './kept-meta.ts';
import { discard, readBody, readInto } from './object-body.ts';

/** Larger objects are streamed to a store that takes no parts, bytes. */
const WHOLE_BYTES = 16 * 1024 * 1024;

/**
 * Copies one object with its metadata, each byte hashed on the way, or has the store copy it where both ends are one.
 * `null` when the source has it no more. `moved` is told of the bytes that arrived.
 * @throws ObjectChanged when it is not the listed version any more, and Error when other bytes arrived than the source
 * announced, or others were stored than were sent.
 */
export async function copyObject(
  tools: CopyTools,
  listed: ObjectHead,
  moved: (bytes: number) => void,
): Promise<CopiedObject | null> {
  const { from, to, throttle } = tools;
  demandReadable(from, listed);
  const source = sourceWithin(tools, listed.key);
  const within = source === null ? undefined : await throttle.run(() => copyWithin(tools, source, listed));
  if (within !== undefined) {
    moved(within?.size ?? 0);
    return within;
  }
  const partSize = takesParts(to) ? partSizeOf(to, listed) : null;
  if (takesParts(to) && partSize !== null) return copyInParts(tools, to, listed, partSize, moved);
  if (listed.size <= WHOLE_BYTES) return copyWhole(tools, listed, moved);
  return throttle.run(() => copyStreamed(tools, listed, moved));
}

/** @throws TypeError, as for any request that cannot be written: there is no use in another attempt */
function demandReadable({ label }: ObjectStore, { key, unreadable }: ObjectHead): void {
  if (unreadable !== undefined)
    throw new TypeError(`${label} lists ${JSON.stringify(key)} under a key that cannot be read: ${unreadable}`);
}

/** The object as the target finds it in its own store; `null` where that is another. */
function sourceWithin({ from, to }: CopyTools, key: string): CopySource | null {
  const source = from.copySource?.(key);
  if (source === undefined || to.putCopy === undefined) return null;
  return to.copySource?.(key).identity === source.identity ? source : null;
}

/** Lets the store copy by itself. `undefined` where it does not know the call, or refuses it. */
async function copyWithin(
  { from, to }: CopyTools,
  within: CopySource,
  listed: ObjectHead,
): Promise<CopiedObject | null | undefined> {
  const source = await from.head(listed.key);
  if (source === null) return null;
  try {
    const stored = await to.putCopy?.(listed.key, within, source, async () => keptMeta(source.meta, listed));
    if (stored === null || stored === undefined) return undefined;
    if (isPlainMd5(source.etag) && isPlainMd5(stored.etag) && source.etag !== stored.etag)
      throw new Error(`${to.label} copied bytes with the MD5 ${source.etag}, and holds ${stored.etag}`);
    const md5 = isPlainMd5(stored.etag) ? stored.etag : null;
    return { key: source.key, size: source.size, etag: stored.etag, md5, sha256: null };
  } catch (error) {
    const unknown = error instanceof ProviderError && !isRetryable(error) && error.status !== 404;
    if (unknown || (error instanceof ProviderError && error.status === 501)) return undefined;
    throw error;
  }
}

async function copyWhole(
  tools: CopyTools,
  listed: ObjectHead,
  moved: (bytes: number) => void,
): Promise<CopiedObject | null> {
  const { signal, buffers, bandwidth, throttle } = tools;
  // Room and rate first: who holds a place among the requests must not wait for those who have them.
  const buffer = await buffers.borrow(listed.size);
  let reusable = false;
  try {
    await bandwidth(listed.size, signal);
    const copied = await throttle.run(() => copyThrough(tools, listed, buffer, moved));
    reusable = true;
    return copied;
  } finally {
    buffers.giveBack(buffer, reusable);
  }
}

async function copyThrough(
  tools: CopyTools,
  listed: ObjectHead,
  buffer: Buffer,
  moved: (bytes: number) => void,
): Promise<CopiedObject | null> {
  const { from, to, signal } = tools;
  const { key, size } = listed;
  signal.throwIfAborted();
  const meta = await readInto(from, listed, buffer, 0, signal);
  if (meta === null) return null;
  moved(size);
  const sha256 = hash('sha256', buffer);
  signal.throwIfAborted();
  // Where the source tells the MD5, the target holds the bytes against it, twice: as Content-MD5 before it stores them,
  // and by the ETag of what it stored. To compute it here as well would cost more than all the rest of the copy.
  const told = isPlainMd5(listed.etag) ? listed.etag : null;
  const sent = told ?? hash('md5', buffer);
  const { etag } = await putNamed(tools, listed, buffer, keptMeta(meta, listed), sent);
  if (told !== null && etag !== told) expectSource(from, listed, hash('md5', buffer));
  expectStored(to, etag, sent);
  return { key, size, etag, md5: sent, sha256 };
}

/** @throws Error that names the source where the target refuses bytes that are not those of the source's own ETag */
async function putNamed(
  { from, to }: CopyTools,
  listed: ObjectHead,
  buffer: Buffer,
  meta: ObjectMeta,
  md5: string,
): Promise<{ etag: string }> {
  try {
    return await to.put(listed.key, buffer, listed.size, meta, md5);
  } catch (error) {
    expectSource(from, listed, hash('md5', buffer));
    throw error;
  }
}

/** For a store that takes whole objects only, of any size. */
async function copyStreamed(
  { from, to, signal, bandwidth }: CopyTools,
  listed: ObjectHead,
  moved: (bytes: number) => void,
): Promise<CopiedObject | null> {
  const { key } = listed;
  const source = await from.get(key);
  if (source === null) return null;
  const hashing = createHash('md5');
  const sha256 = createHash('sha256');
  let md5 = '';
  const hashed = async function* (): AsyncGenerator<Buffer> {
    let held: Buffer | null = null;
    for await (const chunk of readBody(from, source, signal)) {
      await bandwidth(chunk.byteLength, signal);
      hashing.update(chunk);
      sha256.update(chunk);
      moved(chunk.byteLength);
      if (held !== null) yield held;
      held = chunk;
    }
    md5 = hashing.digest('hex');
    // The last piece waits for this: a target stores nothing of a body that does not end.
    expectSource(from, source, md5);
    if (held !== null) yield held;
  };
  const stream = Readable.from(hashed(), { objectMode: false });
  try {
    const { etag } = await to.put(key, stream, source.size, keptMeta(source.meta, listed));
    expectStored(to, etag, md5);
    return { key, size: source.size, etag, md5, sha256: sha256.digest('hex') };
  } catch (error) {
    // A target that refuses may not have read a byte: the source's connection must not wait for it.
    discard(stream);
    discard(source.body);
    throw error;
  }
}
