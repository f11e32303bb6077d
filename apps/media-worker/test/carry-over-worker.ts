import type { Env } from '../src/env.ts';
import { createR2Store } from '../src/r2-store.ts';

const KEY = 'users/u/uploads/a.wav';

/** Reads the object as a listener's request does, or deletes it. */
export default {
  async fetch(request: Request, env: Env, context: ExecutionContext): Promise<Response> {
    const store = createR2Store(env);
    if (request.method === 'DELETE') {
      await store.delete(KEY);
      return new Response(null, { status: 204 });
    }
    const later = (work: Promise<unknown>): void => context.waitUntil(work);
    const found = await store.open(KEY, 'head', { later, readThrough: () => {} });
    return new Response(found?.source ?? 'nowhere');
  },
};
