import type { Env } from './env.ts';

/** What a page of another origin may read of an answer. */
export const EXPOSED = [
  'ETag',
  'Content-Range',
  'Accept-Ranges',
  'Retry-After',
  'X-RateLimit-Limit',
  'X-RateLimit-Remaining',
  'X-RateLimit-Reset',
  'X-RateLimit-Rule',
  'X-Audafact-Version',
];

/** The origin, if it may call from a browser. */
export function allowedOrigin(env: Env, origin: string): string | null {
  return env.ALLOWED_ORIGINS.split(',').includes(origin) ? origin : null;
}

/** Headers of an answer to a plain (not preflight) request: nothing but `Vary` where no page of another origin asks. */
export function crossOriginHeaders(env: Env, request: Request): Record<string, string> {
  const origin = request.headers.get('origin');
  if (origin === null) return { vary: 'Origin' };
  const exposed = { vary: 'Origin', 'access-control-expose-headers': EXPOSED.join(',') };
  return allowedOrigin(env, origin) === null ? exposed : { ...exposed, 'access-control-allow-origin': origin };
}
