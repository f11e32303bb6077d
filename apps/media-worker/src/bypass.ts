import { createApp } from './app.ts';
import type { Env } from './env.ts';
import { createLegacyStore } from './legacy-store.ts';

const app = createApp({
  name: 'bypass',
  store: createLegacyStore,
  fileUrl: (env, key) => `${env.MEDIA_ORIGIN}/storage/v1/object/public/${env.LEGACY_BUCKET}/${key}`,
});

/**
 * The same API with the legacy store behind it: what production serves before the cutover, and what an immediate
 * rollback returns to, so that nobody waits for DNS.
 */
export default {
  fetch(request: Request, env: Env, context: ExecutionContext): Response | Promise<Response> {
    return app.fetch(request, env, context);
  },
};
