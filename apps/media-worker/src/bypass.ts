import { createWorker } from './app.ts';
import { createLegacyStore } from './legacy-store.ts';

/**
 * The same API with the legacy store behind it: what production serves before the cutover, and what an immediate
 * rollback returns to, so that nobody waits for DNS.
 */
export default createWorker({
  name: 'bypass',
  store: createLegacyStore,
  fileUrl: (env, key) => `${env.MEDIA_ORIGIN}/storage/v1/object/public/${env.LEGACY_BUCKET}/${key}`,
});
