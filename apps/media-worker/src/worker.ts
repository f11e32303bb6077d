import { createApp } from './app.ts';
import type { Env } from './env.ts';
import { createR2Store } from './r2-store.ts';

const app = createApp({ name: 'r2', store: createR2Store, fileUrl: () => null });

/** audafact-api: media from R2, and from legacy through R2 while the migration lasts. */
export default {
  fetch(request: Request, env: Env, context: ExecutionContext): Response | Promise<Response> {
    return app.fetch(request, env, context);
  },
};
