import type { Env } from './env.ts';
import { credentials, deleteLegacy, objectUrl, openLegacy } from './legacy-object.ts';
import type { MediaStore } from './media-store.ts';
import { openR2 } from './r2-object.ts';

/** Legacy is the store; what only R2 has (uploaded while the new version served) is found all the same. */
export function createLegacyStore(env: Env): MediaStore {
  return {
    open: async (key, wanted) => (await openLegacy(env, key)) ?? (await openR2(env, key, wanted)),
    async put(key, body, size, contentType) {
      const sized = new FixedLengthStream(size);
      const [, response] = await Promise.all([
        body.pipeTo(sized.writable),
        fetch(objectUrl(env, '', key), {
          method: 'POST',
          headers: { ...credentials(env), 'content-type': contentType, 'x-upsert': 'true', 'cache-control': '3600' },
          body: sized.readable,
        }),
      ]);
      await response.body?.cancel();
      if (!response.ok) throw new Error(`legacy answered ${response.status}`);
      return { etag: response.headers.get('etag')?.replaceAll('"', '') ?? '' };
    },
    async delete(key) {
      await deleteLegacy(env, key);
      await env.MEDIA.delete(key);
    },
    async alive() {
      const response = await fetch(`${env.LEGACY_ORIGIN}/storage/v1/bucket/${env.LEGACY_BUCKET}`, {
        headers: credentials(env),
      });
      await response.body?.cancel();
      return response.ok;
    },
  };
}
