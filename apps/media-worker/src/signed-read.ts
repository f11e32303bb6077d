import { errorAnswer } from './api-error.ts';
import { crossOriginHeaders } from './cross-origin.ts';
import { fromEdge, isCacheable, keepAtEdge } from './edge-cache.ts';
import type { Env } from './env.ts';
import { keyOfPath } from './keys.ts';
import { storeContext, type Build } from './route-context.ts';
import { askedBy, found, serveMedia } from './serve-media.ts';
import { checkExpiry, verifySignedUrl, type SignedRequest } from './signed-url.ts';
import { observeRequest } from './telemetry.ts';

const ROUTE = '/media/*';
const AFTER_SCHEME = 'https://'.length;

/** Whether a request reads by a signed link. */
export function readsBySignedLink(request: Request): boolean {
  if (request.method !== 'GET' && request.method !== 'HEAD') return false;
  return request.url.startsWith('/media/', request.url.indexOf('/', AFTER_SCHEME));
}

/**
 * Serves what a signed link leads to. This is nearly all that the Worker does all day, so it goes past the router and
 * its middlewares, which cost more than the signature (bench/worker/README.md): one set of headers, made once.
 */
export async function readBySignedLink(
  build: Build,
  request: Request,
  env: Env,
  later: (work: Promise<unknown>) => void,
): Promise<Response> {
  const start = Date.now();
  const headers = { ...crossOriginHeaders(env, request), 'x-audafact-version': env.VERSION.id };
  const seen = { source: '' };
  let answer: Response;
  try {
    answer = await read(build, request, env, { later, headers, seen });
  } catch (error) {
    answer = errorAnswer(error, headers);
  }
  observeRequest(env, later, {
    name: ROUTE,
    status: answer.status,
    source: seen.source,
    ms: Date.now() - start,
  });
  return answer;
}

interface Link {
  readonly key: string;
  readonly signed: SignedRequest;
}

/**
 * What links were seen to allow: a player asks by one link again and again, a range at a time. Only what verified is
 * kept, under the keys that it verified with, so that a guess learns nothing from it.
 */
const followed = new Map<string, Link>();
const LINKS_KEPT = 2000;

/** @throws ApiError what the link is refused for */
async function follow(env: Env, { method, url: text }: Request): Promise<Link> {
  const id = `${method} ${text} ${env.SIGNING_KEYS}`;
  const known = followed.get(id);
  if (known !== undefined) {
    checkExpiry(known.signed);
    return known;
  }
  const url = new URL(text);
  const key = keyOfPath(url.pathname);
  const link = { key, signed: await verifySignedUrl(env, method, key, url) };
  // The older half goes at once: no bookkeeping at each use.
  if (followed.size >= LINKS_KEPT)
    for (const old of [...followed.keys()].slice(0, LINKS_KEPT / 2)) followed.delete(old);
  followed.set(id, link);
  return link;
}

interface Reading {
  readonly later: (work: Promise<unknown>) => void;
  /** On every answer, whatever it says. */
  readonly headers: Readonly<Record<string, string>>;
  /** For telemetry: who had the bytes. */
  readonly seen: { source: string };
}

async function read(build: Build, request: Request, env: Env, { later, headers, seen }: Reading): Promise<Response> {
  const { key, signed } = await follow(env, request);
  const cacheable = isCacheable(key) && signed.download !== true;
  const asked = askedBy(request);
  const kept = cacheable ? await fromEdge(env.MEDIA_ORIGIN, request, asked, headers) : null;
  if (kept !== null) {
    seen.source = 'edge';
    return kept;
  }
  const media = found(await build.store(env).open(key, asked.wanted, storeContext(env, later, ROUTE)));
  seen.source = media.source;
  const download = signed.download === true ? { downloadAs: key.slice(key.lastIndexOf('/') + 1) } : {};
  const answer = await serveMedia(request, asked, key, media, { headers, ...download });
  // The cache would hand a copy on that is compressed once more.
  return cacheable && media.source === 'r2' && media.contentEncoding === undefined
    ? keepAtEdge(env.MEDIA_ORIGIN, request, answer, media.size, headers, later)
    : answer;
}
