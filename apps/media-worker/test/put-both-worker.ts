import { ApiError } from '../src/api-error.ts';
import type { Env } from '../src/env.ts';
import { createLegacyStore } from '../src/legacy-store.ts';
import { putBoth } from '../src/put-both.ts';

const KEY = 'users/u/uploads/a.wav';

/** What a late R2 did. */
const calls: string[] = [];

/** Writes what it is sent, with the header's kind of R2; or deletes it. */
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { MEDIA } = env;
    if (request.method === 'GET') return Response.json(calls);
    if (request.method === 'DELETE') {
      await createLegacyStore(env).delete(KEY);
      return new Response(null, { status: 204 });
    }
    const put = {
      // Has the bytes long before it has the object.
      slow: async (key: string, body: ReadableStream) => {
        const bytes = await new Response(body).arrayBuffer();
        await scheduler.wait(300);
        return MEDIA.put(key, bytes);
      },
      refusing: () => Promise.reject(new Error('R2 is away')),
      silent: () => new Promise(() => {}),
      // Stores it when nobody waits for it any more.
      late: async (key: string, body: ReadableStream) => {
        const bytes = await new Response(body).arrayBuffer();
        await scheduler.wait(3500);
        const object = await MEDIA.put(key, bytes);
        calls.push('stored');
        return object;
      },
    }[request.headers.get('x-r2') ?? ''];
    const size = Number(request.headers.get('x-size'));
    const body = request.body ?? new Blob([]).stream();
    try {
      const removed = async (key: string): Promise<void> => {
        await MEDIA.delete(key);
        calls.push('deleted');
      };
      const media = { put, head: (key: string) => MEDIA.head(key), delete: removed } as unknown as R2Bucket;
      const written = { key: KEY, body, size, contentType: 'audio/wav' };
      return Response.json(await putBoth({ ...env, MEDIA: put === undefined ? MEDIA : media }, written));
    } catch (error) {
      const text = error instanceof ApiError ? `${error.status} ${error.code}` : String(error);
      return new Response(text, { status: 502 });
    }
  },
};
