import type { ByteRange } from './byte-range.ts';
import type { Env } from './env.ts';
import type { OpenMedia, Wanted } from './media-store.ts';

const UNKNOWN_TYPE = 'application/octet-stream';

/** `bytes a-b` that R2 really sent; `null` for the whole. */
function sent(object: R2ObjectBody): ByteRange | null {
  const { range, size } = object;
  if (range === undefined) return null;
  // The runtime names all three members, whichever it means: only their values tell.
  const { offset, length, suffix } = range as { offset?: number; length?: number; suffix?: number };
  if (suffix !== undefined) return { start: Math.max(0, size - suffix), end: size - 1 };
  const start = offset ?? 0;
  const end = length === undefined ? size - 1 : Math.min(size, start + length) - 1;
  return start === 0 && end === size - 1 ? null : { start, end };
}

const same = (a: ByteRange | null, b: ByteRange | null): boolean => a?.start === b?.start && a?.end === b?.end;

/**
 * An object of the bucket; `null` when it is not there. With a hint of what will be read, head and bytes come in one
 * question; a hint that was wrong costs a second one.
 */
export async function openR2(env: Env, key: string, wanted: Wanted): Promise<OpenMedia | null> {
  const found =
    wanted === 'head'
      ? await env.MEDIA.head(key)
      : wanted === 'all'
        ? await env.MEDIA.get(key)
        : // A range beyond the end throws: then the head tells the size, for the refusal.
          await env.MEDIA.get(key, { range: wanted }).catch(() => env.MEDIA.head(key));
  if (found === null) return null;
  let opened: R2ObjectBody | null = 'body' in found ? (found as R2ObjectBody) : null;
  return {
    size: found.size,
    etag: found.etag,
    modified: found.uploaded,
    contentType: found.httpMetadata?.contentType ?? UNKNOWN_TYPE,
    source: 'r2',
    async body(range) {
      const first = opened;
      opened = null;
      const opens = wanted === 'all' ? range === null : first !== null && same(sent(first), range);
      if (first !== null && opens) return first.body;
      await first?.body.cancel();
      const options = range === null ? {} : { range: { offset: range.start, length: range.end - range.start + 1 } };
      const object = await env.MEDIA.get(key, { ...options, onlyIf: { etagMatches: found.etag } });
      if (object === null || !('body' in object)) throw new Error('the object changed while it was read');
      return (object as R2ObjectBody).body;
    },
  };
}
