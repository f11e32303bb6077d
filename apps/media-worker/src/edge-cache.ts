import type { Asked } from './serve-media.ts';

/** Whole objects up to this size are kept at the edge, bytes: the cache's own bound on the lesser plans. */
const LARGEST_KEPT = 512 * 1024 * 1024;
/** The one kind of range that the cache cuts as RFC 9110 wants it. */
const PLAIN_RANGE = /^bytes=\d+-\d*$/;

/** Only what never changes under its key may be kept: the library. */
export function isCacheable(key: string): boolean {
  return key.startsWith('library/');
}

/** The address under which the edge keeps an object: without the signature, which was verified before. */
function cacheKey(origin: string, request: Request, headers: Record<string, string> = {}): Request {
  return new Request(`${origin}${new URL(request.url).pathname}`, { headers });
}

/**
 * What the edge keeps of a library object; `null` when nothing, or when the request has conditions or ranges of which
 * the bucket knows better than the cache. `own` are headers of this request's answer alone.
 */
export async function fromEdge(
  origin: string,
  request: Request,
  asked: Asked,
  own: Readonly<Record<string, string>>,
): Promise<Response | null> {
  const { range } = asked;
  if (asked.head || asked.conditional || (range !== null && !PLAIN_RANGE.test(range))) return null;
  const kept = await caches.default.match(cacheKey(origin, request, range === null ? {} : { range }));
  if (kept === undefined) return null;
  if (kept.status !== (range === null ? 200 : 206)) {
    await kept.body?.cancel();
    return null;
  }
  const answer = new Response(kept.body, kept);
  for (const [name, value] of Object.entries(own)) answer.headers.set(name, value);
  answer.headers.set('x-audafact-cache', 'HIT');
  return answer;
}

/** Keeps a whole answer, but for its reader's `own` headers, for the next reader, while this one is being served. */
export function keepAtEdge(
  origin: string,
  request: Request,
  answer: Response,
  size: number,
  own: Readonly<Record<string, string>>,
  later: (work: Promise<unknown>) => void,
): Response {
  if (request.method !== 'GET' || answer.status !== 200 || size === 0 || size > LARGEST_KEPT) return answer;
  const copy = answer.clone();
  const kept = new Response(copy.body, copy);
  for (const name of Object.keys(own)) kept.headers.delete(name);
  later(caches.default.put(cacheKey(origin, request), kept));
  return answer;
}
