import { createHash, hash } from 'node:crypto';
import { Readable } from 'node:stream';
import { isNotFound, isRetryable, ProviderError } from '../providers/provider-error.ts';
import type { ObjectHead } from '../providers/providers.ts';
import { takesParts, type CopySource } from '../providers/store-abilities.ts';
import { md5Named } from './checksum-rules.ts';
import { compareObject } from './compare-object.ts';
import { copyInParts, partSizeOf } from './copy-parts.ts';
import { completeMeta, demandReadable, lostOf, type CopiedObject, type CopyTools } from './copy-tools.ts';
import { keptMeta } from './kept-meta.ts';
import { discard, readBody, readInto } from './object-body.ts';
import { demandSameAgain, demandStored } from './untrue-etags.ts';

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
  return throttle.run(() => copyStreamed(tools, listed, moved), listed.size);
}

/** The object as the target finds it in its own store; `null` where that is another. */
function sourceWithin({ from, to }: CopyTools, key: string): CopySource | null {
  const source = from.copySource?.(key);
  if (source === undefined || to.putCopy === undefined) return null;
  return to.copySource?.(key).identity === source.identity ? source : null;
}

/** Lets the store copy by itself. `undefined` where it does not know the call, or refuses it. */
async function copyWithin(
  tools: CopyTools,
  within: CopySource,
  listed: ObjectHead,
): Promise<CopiedObject | null | undefined> {
  const { from, to } = tools;
  const source = await from.head(listed.key);
  if (source === null) return null;
  try {
    const stored = await to.putCopy?.(listed.key, within, source, async () => keptMeta(source.meta, listed));
    if (stored === null || stored === undefined) return undefined;
    return await proveCopy(tools, source, stored.etag);
  } catch (error) {
    // Supabase finds no source whose key needs encoding (supabase/storage 1.11.2 does not decode it). So a source that
    // is not found is looked at: as long as it is there its bytes can be taken by hand.
    if (isNotFound(error) && (await within.look()) === null) return null;
    if (error instanceof ProviderError && !isRetryable(error)) return undefined;
    throw error;
  }
}

/** @throws Error when the store's copy holds other bytes than the source */
async function proveCopy({ from, to, signal }: CopyTools, source: ObjectHead, etag: string): Promise<CopiedObject> {
  const { key, size } = source;
  const [expected, found] = [md5Named(source), md5Named({ etag })];
  if (expected === null || found === null || expected === found) return { key, size, etag, md5: found, sha256: null };
  const target = await to.head(key);
  if (target === null) throw new Error(`${to.label} copied ${JSON.stringify(key)}, and does not have it`);
  const compared = await compareObject({ from, to }, source, target, { deep: false, signal });
  if (!compared.equal)
    throw new Error(`${to.label} copied bytes with the MD5 ${expected}, and holds ${found} (${compared.reason})`);
  return { key, size, etag, md5: compared.md5, sha256: compared.sha256 };
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
    const copied = await throttle.run(() => copyThrough(tools, listed, buffer, moved), listed.size);
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
  const read = await readInto(from, listed, buffer, 0, signal);
  if (read === null) return null;
  moved(size);
  const sha256 = hash('sha256', buffer);
  signal.throwIfAborted();
  // Where the source tells the MD5, the target holds the bytes against it, twice: as Content-MD5 before it stores them,
  // and by the ETag of what it stored. To compute it here as well would cost more than all the rest of the copy.
  const told = md5Named({ etag: listed.etag, ...read });
  const complete = await completeMeta(from, listed, read.meta);
  const meta = keptMeta(complete, listed);
  const put = (md5: string): Promise<{ etag: string }> => to.put(key, buffer, size, meta, md5);
  if (told !== null) {
    const stored = await put(told).catch((error: unknown) => {
      if (hash('md5', buffer) === told) throw error;
      return null;
    });
    if (stored?.etag === told) return { key, size, etag: told, md5: told, sha256, ...lostOf(to, complete) };
    const md5 = hash('md5', buffer);
    await demandSameAgain(from, listed, { md5, sha256 }, signal);
    if (stored !== null) return proven(stored.etag, md5);
  }
  const md5 = hash('md5', buffer);
  return proven((await put(md5)).etag, md5);

  async function proven(etag: string, md5: string): Promise<CopiedObject> {
    await demandStored(to, { key, etag }, { md5, sha256 }, signal);
    return { key, size, etag, md5, sha256, ...lostOf(to, complete) };
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
  let [md5, bytes256] = ['', ''];
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
    [md5, bytes256] = [hashing.digest('hex'), sha256.digest('hex')];
    // The last piece waits for this: a target stores nothing of a body that does not end.
    await demandSameAgain(from, source, { md5, sha256: bytes256 }, signal);
    if (held !== null) yield held;
  };
  const stream = Readable.from(hashed(), { objectMode: false });
  try {
    const meta = await completeMeta(from, source, source.meta);
    const { etag } = await to.put(key, stream, source.size, keptMeta(meta, listed));
    await demandStored(to, { key, etag }, { md5, sha256: bytes256 }, signal);
    return { key, size: source.size, etag, md5, sha256: bytes256, ...lostOf(to, meta) };
  } catch (error) {
    // A target that refuses may not have read a byte: the source's connection must not wait for it.
    discard(stream);
    discard(source.body);
    throw error;
  }
}
