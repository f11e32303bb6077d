import { waitUntil } from 'cloudflare:workers';
import type { Env } from './env.ts';
import { LEGACY_HAS, WRITTEN_TO_BOTH } from './legacy-mark.ts';
import { askLegacy, legacyUnavailable, objectUrl } from './legacy-answer.ts';

/** R2 is given so long for a chunk and for its answer, ms: this version serves when R2 does not. */
const R2_PATIENCE_MS = 3000;

export interface NewObject {
  readonly key: string;
  readonly body: ReadableStream<Uint8Array>;
  /** Bytes. */
  readonly size: number;
  readonly contentType: string;
}

/**
 * Writes to legacy, and to R2 a moment before: the last bytes go to legacy once R2 has them all. So a mirror that still
 * brings R2's version before to legacy, and then looks at R2 again, cannot end with that one over what the user sent
 * now: either it sees the new one in R2, or the new one reaches legacy after it. Memory stays flat: a chunk is held.
 * Where R2 does not take it in time, legacy alone does.
 * @returns R2's ETag where R2 took it, legacy's otherwise
 * @throws ApiError 503 LEGACY_UNAVAILABLE when legacy does not take it; Error when the body has another size
 */
export async function putBoth(env: Env, { key, body, size, contentType }: NewObject): Promise<{ etag: string }> {
  const [r2, legacy] = [new FixedLengthStream(size), new FixedLengthStream(size)];
  const [toR2, toLegacy] = [r2.writable.getWriter(), legacy.writable.getWriter()];
  let r2Takes = true;
  const givenUp = (error: unknown): null => {
    if (r2Takes) console.error('r2', key, String(error));
    r2Takes = false;
    return null;
  };
  const stored = env.MEDIA.put(key, r2.readable, {
    httpMetadata: { contentType },
    customMetadata: { [LEGACY_HAS]: WRITTEN_TO_BOTH },
  }).catch(givenUp);
  /** What R2 stored when it was no longer waited for: legacy may have a later version by then, or have lost it again. */
  const takenBack = async (): Promise<void> => {
    const late = await stored;
    if (late !== null && (await env.MEDIA.head(key))?.etag === late.etag) await env.MEDIA.delete(key);
  };
  /** `null` when R2 fails, or takes too long; it is not asked again. */
  async function inTime<Answer>(work: () => Promise<Answer>): Promise<Answer | null> {
    if (!r2Takes) return null;
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error(`no answer within ${R2_PATIENCE_MS} ms`)), R2_PATIENCE_MS);
    try {
      return await Promise.race([work(), late.promise]);
    } catch (error) {
      return givenUp(error);
    } finally {
      clearTimeout(timer);
    }
  }
  let etagOfR2: string | null = null;
  const finishR2 = async (): Promise<void> => {
    await inTime(() => toR2.close());
    etagOfR2 = (await inTime(() => stored))?.etag ?? null;
  };

  async function feed(): Promise<void> {
    let left = size;
    if (left === 0) await finishR2();
    for await (const chunk of body) {
      left -= chunk.byteLength;
      await inTime(() => toR2.write(chunk));
      if (left === 0) await finishR2();
      await toLegacy.write(chunk);
    }
    await toLegacy.close();
  }
  const post = askLegacy(env, objectUrl(env, '', key), {
    method: 'POST',
    headers: { 'content-type': contentType, 'x-upsert': 'true', 'cache-control': '3600' },
    body: legacy.readable,
  });
  try {
    const [response] = await Promise.all([post, feed()]);
    await response.body?.cancel();
    if (!response.ok) throw legacyUnavailable(`took no upload: answered ${response.status}`);
    if (etagOfR2 === null) waitUntil(takenBack());
    return { etag: etagOfR2 ?? response.headers.get('etag')?.replaceAll('"', '') ?? '' };
  } catch (error) {
    r2Takes = false;
    // What is cut short must not become an object; what is over already says so, and nobody needs to hear it.
    await Promise.allSettled([toR2.abort(error), toLegacy.abort(error)]);
    throw error;
  }
}
