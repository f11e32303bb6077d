import type { ByteRange } from './byte-range.ts';
import type { Env } from './env.ts';
import { createHotObjects, type HotObject } from './hot-objects.ts';
import type { OpenMedia, Wanted } from './media-store.ts';

const UNKNOWN_TYPE = 'application/octet-stream';
/** Of the one bucket that this isolate serves. */
const hot = createHotObjects();

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
 * question; a hint that was wrong costs a second one. `later` lets a small object that is read again be kept.
 */
export async function openR2(
  env: Env,
  key: string,
  wanted: Wanted,
  later?: (work: Promise<unknown>) => void,
): Promise<OpenMedia | null> {
  const kept = wanted === 'head' ? null : hot.get(key);
  const found = await ask(env, key, wanted, kept);
  if (found === null) {
    hot.forget(key);
    return null;
  }
  const { contentType = UNKNOWN_TYPE, contentEncoding, contentLanguage } = found.httpMetadata ?? {};
  const stored = {
    size: found.size,
    etag: found.etag,
    modified: found.uploaded,
    contentType,
    contentEncoding,
    contentLanguage,
    source: 'r2',
  } as const;
  // The same version, so R2 sent no bytes.
  if (kept !== null && kept.etag === found.etag)
    return {
      ...stored,
      body: async (range) => (range === null ? kept.bytes : kept.bytes.subarray(range.start, range.end + 1)),
    };
  if (wanted !== 'head' && later !== undefined && hot.worthKeeping(key, found.etag, found.size)) later(keep(env, key));
  let opened: R2ObjectBody | null = 'body' in found ? (found as R2ObjectBody) : null;
  return {
    ...stored,
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

/** One question to R2: the object with the bytes that are wanted, without them where `kept` is the same version. */
async function ask(env: Env, key: string, wanted: Wanted, kept: HotObject | null): Promise<R2Object | null> {
  if (wanted === 'head') return env.MEDIA.head(key);
  const options = kept === null ? {} : { onlyIf: { etagDoesNotMatch: kept.etag } };
  if (wanted === 'all') return env.MEDIA.get(key, options);
  // A range beyond the end throws: then the head tells the size, for the refusal.
  return env.MEDIA.get(key, { ...options, range: wanted }).catch(() => env.MEDIA.head(key));
}

async function keep(env: Env, key: string): Promise<void> {
  const object = await env.MEDIA.get(key);
  if (object !== null) hot.keep(key, { etag: object.etag, bytes: new Uint8Array(await object.arrayBuffer()) });
}
