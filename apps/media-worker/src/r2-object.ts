import type { Env } from './env.ts';
import type { OpenMedia } from './media-store.ts';

const UNKNOWN_TYPE = 'application/octet-stream';

/** An object of the bucket; `null` when it is not there. */
export async function openR2(env: Env, key: string): Promise<OpenMedia | null> {
  const head = await env.MEDIA.head(key);
  if (head === null) return null;
  return {
    size: head.size,
    etag: head.etag,
    modified: head.uploaded,
    contentType: head.httpMetadata?.contentType ?? UNKNOWN_TYPE,
    source: 'r2',
    async body(range) {
      const options = range === null ? {} : { range: { offset: range.start, length: range.end - range.start + 1 } };
      const object = await env.MEDIA.get(key, options);
      if (object === null) throw new Error('the object vanished while it was read');
      return object.body;
    },
  };
}
