import type { Env } from './env.ts';
import { openLegacy, deleteLegacy } from './legacy-object.ts';
import { streamOf, type MediaStore, type OpenMedia } from './media-store.ts';
import { openR2 } from './r2-object.ts';

/** Puts a legacy object into R2, whole, so that the next reader finds it there. An object that came meanwhile stays. */
async function carryOver(env: Env, key: string, legacy: OpenMedia): Promise<void> {
  const sized = new FixedLengthStream(legacy.size);
  const body = await legacy.body(null);
  await Promise.all([
    streamOf(body).pipeTo(sized.writable),
    env.MEDIA.put(key, sized.readable, {
      httpMetadata: { contentType: legacy.contentType },
      onlyIf: { etagDoesNotMatch: '*' },
    }),
  ]);
}

/** R2 is the store; while the migration lasts, what it lacks is served from legacy and carried over. */
export function createR2Store(env: Env): MediaStore {
  return {
    async open(key, wanted, { later, readThrough }) {
      const stored = await openR2(env, key, wanted, later);
      if (stored !== null || env.LEGACY_ORIGIN === '') return stored;
      const legacy = await openLegacy(env, key);
      if (legacy !== null) {
        readThrough(key);
        later(carryOver(env, key, legacy));
      }
      return legacy;
    },
    async put(key, body, size, contentType) {
      const sized = new FixedLengthStream(size);
      const [, object] = await Promise.all([
        body.pipeTo(sized.writable),
        env.MEDIA.put(key, sized.readable, { httpMetadata: { contentType } }),
      ]);
      return { etag: object.etag };
    },
    async delete(key) {
      await env.MEDIA.delete(key);
      // Otherwise the next reader would bring it back from legacy.
      if (env.LEGACY_ORIGIN !== '') await deleteLegacy(env, key);
    },
    async alive() {
      await env.MEDIA.head('health');
      return true;
    },
  };
}
