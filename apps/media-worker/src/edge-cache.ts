/** Whole objects up to this size are kept at the edge, bytes: the cache's own bound on the lesser plans. */
const LARGEST_KEPT = 512 * 1024 * 1024;
const CONDITIONS = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'if-range'];
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
 * the bucket knows better than the cache.
 */
export async function fromEdge(origin: string, request: Request): Promise<Response | null> {
  const range = request.headers.get('range');
  if (request.method !== 'GET' || CONDITIONS.some((name) => request.headers.has(name))) return null;
  if (range !== null && !PLAIN_RANGE.test(range)) return null;
  const kept = await caches.default.match(cacheKey(origin, request, range === null ? {} : { range }));
  if (kept === undefined) return null;
  if (kept.status !== (range === null ? 200 : 206)) {
    await kept.body?.cancel();
    return null;
  }
  const answer = new Response(kept.body, kept);
  answer.headers.set('x-audafact-cache', 'HIT');
  return answer;
}

/** Keeps a whole answer for the next reader, while this one is being served. */
export function keepAtEdge(
  origin: string,
  request: Request,
  answer: Response,
  later: (work: Promise<unknown>) => void,
): Response {
  const length = Number(answer.headers.get('content-length') ?? 0);
  if (request.method !== 'GET' || answer.status !== 200 || length === 0 || length > LARGEST_KEPT) return answer;
  later(caches.default.put(cacheKey(origin, request), answer.clone()));
  return answer;
}
