import type { Env } from './env.ts';
import { askLegacy } from './legacy-answer.ts';
import { deleteLegacy, openLegacy } from './legacy-object.ts';
import { ownerOf } from './keys.ts';
import type { MediaStore, OpenMedia } from './media-store.ts';
import { putBoth } from './put-both.ts';
import { openR2 } from './r2-object.ts';

/** Legacy tells times to the second, rounded down: only what is younger by more is surely the later one, ms. */
const SURELY_LATER_MS = 1000;

/** Whether R2 has a version that was written over this one while the new version served, and is not mirrored yet. */
async function newerInR2(env: Env, key: string, legacy: OpenMedia): Promise<boolean> {
  // Nobody writes over a track of the library: its key has its hash.
  if (ownerOf(key) === null) return false;
  const stored = await env.MEDIA.head(key);
  return stored !== null && stored.uploaded.getTime() - legacy.modified.getTime() > SURELY_LATER_MS;
}

/**
 * Legacy is the store, and what is written goes to R2 as well. What only R2 has, or has newer (uploaded while the new
 * version served), is found all the same: in the first seconds of a rollback the mirror is not at rest yet.
 */
export function createLegacyStore(env: Env): MediaStore {
  return {
    async open(key, wanted) {
      const legacy = await openLegacy(env, key);
      if (legacy !== null && !(await newerInR2(env, key, legacy))) return legacy;
      return (await openR2(env, key, wanted)) ?? legacy;
    },
    put: (key, body, size, contentType) => putBoth(env, { key, body, size, contentType }),
    async delete(key) {
      // In this order for the same reason as a write: the mirror must not find it in R2 once legacy has lost it.
      await env.MEDIA.delete(key);
      await deleteLegacy(env, key);
    },
    async alive() {
      const response = await askLegacy(env, `${env.LEGACY_ORIGIN}/storage/v1/bucket/${env.LEGACY_BUCKET}`);
      await response.body?.cancel();
      return response.ok;
    },
  };
}
