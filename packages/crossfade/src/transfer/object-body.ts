import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { ObjectBody, ObjectHead, ObjectStore } from '../providers/providers.ts';
import { ObjectChanged, type ReadMeta } from '../providers/store-abilities.ts';
import { errorText } from '../rollout/error-text.ts';

export { ObjectChanged };

/** How often a body that broke off is taken up again where it ended. */
const RESUMES = 3;

/**
 * The bytes of an object that was opened with `get`, exactly as many as it announced. A body that breaks off goes on
 * by a range from where it ended, as long as the object is still the same. `start` is where a range began.
 * @throws ObjectChanged when it is another one by then, and Error when it cannot be read to its end.
 */
export async function* readBody(
  store: ObjectStore,
  opened: ObjectBody,
  signal: AbortSignal,
  start = 0,
): AsyncGenerator<Buffer> {
  const { key, size, etag } = opened;
  let body: AsyncIterable<Uint8Array> = opened.body;
  let received = 0;
  for (let resumes = 0; ; resumes++) {
    let broke: unknown = null;
    try {
      for await (const chunk of body) {
        signal.throwIfAborted();
        received += chunk.byteLength;
        if (received > size)
          throw new ObjectChanged(`${key} has more bytes than the ${size} that ${store.label} announced`);
        yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      }
    } catch (error) {
      if (signal.aborted || error instanceof ObjectChanged) throw error;
      broke = error;
    }
    if (received === size) return;
    if (resumes === RESUMES) {
      const reason = broke === null ? '' : `: ${errorText(broke)}`;
      throw new Error(`${key} broke off after ${received} of ${size} bytes from ${store.label}${reason}`);
    }
    const rest = await store.get(key, { start: start + received, end: start + size - 1 });
    if (rest === null || rest.etag !== etag) {
      if (rest !== null) discard(rest.body);
      throw new ObjectChanged(`${key} changed in ${store.label} while it was read`);
    }
    body = rest.body;
  }
}

/**
 * Fills a buffer from an object, from `offset` on. `null` when the object is not there any more.
 * @throws ObjectChanged when it is another version than the listed one, by its ETag or its size.
 */
export async function readInto(
  store: ObjectStore,
  listed: ObjectHead,
  into: Buffer,
  offset: number,
  signal: AbortSignal,
): Promise<ReadMeta | null> {
  const { key, size, etag } = listed;
  if (store.read !== undefined) return store.read(key, into, { offset, size, etag });
  const whole = into.byteLength === size;
  const opened = await store.get(key, whole ? undefined : { start: offset, end: offset + into.byteLength - 1 });
  if (opened === null) return null;
  if (opened.size !== into.byteLength || (etag !== '' && opened.etag !== '' && opened.etag !== etag)) {
    discard(opened.body);
    throw new ObjectChanged(`${key} changed in ${store.label} since it was listed`);
  }
  let filled = 0;
  for await (const chunk of readBody(store, opened, signal, offset)) filled += chunk.copy(into, filled);
  return opened;
}

/** SHA-256 of an object's bytes, hex; `null` when it is not there. */
export async function sha256Of(store: ObjectStore, key: string, signal: AbortSignal): Promise<string | null> {
  const opened = await store.get(key);
  if (opened === null) return null;
  const sha256 = createHash('sha256');
  for await (const chunk of readBody(store, opened, signal)) sha256.update(chunk);
  return sha256.digest('hex');
}

/** Lets go of a body that nobody will read. */
export function discard(body: Readable): void {
  // That it ends early is what is wanted here, and the one thing that it then has to say.
  body.on('error', () => {});
  body.destroy();
}
