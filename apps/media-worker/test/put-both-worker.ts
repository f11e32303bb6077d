import type { Env } from '../src/env.ts';
import { putBoth } from '../src/put-both.ts';

/** Writes what it is sent, with the header's kind of R2. */
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { MEDIA } = env;
    const put = {
      // Has the bytes long before it has the object.
      slow: async (key: string, body: ReadableStream) => {
        const bytes = await new Response(body).arrayBuffer();
        await scheduler.wait(300);
        return MEDIA.put(key, bytes);
      },
      refusing: () => Promise.reject(new Error('R2 is away')),
      silent: () => new Promise(() => {}),
    }[request.headers.get('x-r2') ?? ''];
    const size = Number(request.headers.get('x-size'));
    const body = request.body ?? new Blob([]).stream();
    try {
      const media = { put } as unknown as R2Bucket;
      const written = { key: 'users/u/uploads/a.wav', body, size, contentType: 'audio/wav' };
      return Response.json(await putBoth({ ...env, MEDIA: put === undefined ? MEDIA : media }, written));
    } catch (error) {
      return new Response(String(error), { status: 502 });
    }
  },
};
