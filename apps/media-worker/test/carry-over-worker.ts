import { errorAnswer } from '../src/api-error.ts';
import type { Env } from '../src/env.ts';
import { createR2Store } from '../src/r2-store.ts';
import { askedBy, serveMedia } from '../src/serve-media.ts';

const KEY = 'users/u/uploads/a.wav';

/** Reads the object as a listener's request does, or deletes it. */
export default {
  async fetch(request: Request, env: Env, context: ExecutionContext): Promise<Response> {
    const store = createR2Store(env);
    try {
      if (request.method === 'DELETE') {
        await store.delete(KEY);
        return new Response(null, { status: 204 });
      }
      const asked = askedBy(request);
      const later = (work: Promise<unknown>): void => context.waitUntil(work);
      const found = await store.open(KEY, asked.wanted, { later, readThrough: () => {} });
      return found === null ? new Response('nowhere', { status: 404 }) : await serveMedia(request, asked, KEY, found);
    } catch (error) {
      return errorAnswer(error);
    }
  },
};
