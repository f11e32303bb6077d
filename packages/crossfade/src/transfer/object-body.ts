import type { Readable } from 'node:stream';
import type { ObjectBody, ObjectStore } from '../providers/providers.ts';
import { errorText } from '../rollout/error-text.ts';

/** How often a body that broke off is taken up again where it ended. */
const RESUMES = 3;

/** The object is another one than when its reading began: the copy starts anew. */
export class ObjectChanged extends Error {
  override readonly name = 'ObjectChanged';
}

/**
 * The bytes of an object that was opened with `get`, exactly as many as it announced. A body that breaks off goes on
 * by a range from where it ended, as long as the object is still the same.
 * @throws ObjectChanged when it is another one by then, and Error when it cannot be read to its end.
 */
export async function* readBody(store: ObjectStore, opened: ObjectBody, signal: AbortSignal): AsyncGenerator<Buffer> {
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
    const rest = await store.get(key, { start: received, end: size - 1 });
    if (rest === null || rest.etag !== etag) {
      if (rest !== null) discard(rest.body);
      throw new ObjectChanged(`${key} changed in ${store.label} while it was read`);
    }
    body = rest.body;
  }
}

/** Lets go of a body that nobody will read. */
export function discard(body: Readable): void {
  // That it ends early is what is wanted here, and the one thing that it then has to say.
  body.on('error', () => {});
  body.destroy();
}
