import type { Env } from './env.ts';
import { CARRIED_OVER, LEGACY_HAS } from './legacy-mark.ts';
import { deleteLegacy, openLegacy, type LegacyMedia } from './legacy-object.ts';
import { streamOf, type MediaStore } from './media-store.ts';
import { openR2 } from './r2-object.ts';

/**
 * Puts a legacy object into R2, whole and with its metadata, so that the next reader finds it there. An object that came meanwhile stays, and
 * one that was deleted meanwhile is taken back.
 */
async function carryOver(env: Env, key: string, legacy: LegacyMedia): Promise<void> {
  const sized = new FixedLengthStream(legacy.size);
  const { httpMetadata, customMetadata } = await legacy.metadata();
  const body = await legacy.body(null);
  const [, carried] = await Promise.all([
    streamOf(body).pipeTo(sized.writable),
    env.MEDIA.put(key, sized.readable, {
      httpMetadata,
      customMetadata: { ...customMetadata, [LEGACY_HAS]: CARRIED_OVER },
      onlyIf: { etagDoesNotMatch: '*' },
    }),
  ]);
  if (carried === null || (await openLegacy(env, key)) !== null) return;
  if ((await env.MEDIA.head(key))?.etag === carried.etag) await env.MEDIA.delete(key);
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
      if (env.LEGACY_ORIGIN === '') return;
      // Otherwise the next reader would bring it back from legacy.
      await deleteLegacy(env, key);
      // One who came between the two may have done so; whoever comes later does not find it in legacy.
      await env.MEDIA.delete(key);
    },
    async alive() {
      await env.MEDIA.head('health');
      return true;
    },
  };
}
