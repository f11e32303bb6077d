import { ApiError } from './api-error.ts';
import type { Env } from './env.ts';

/** Address of an object in legacy's REST API; `area` is empty or ends in a slash: `authenticated/`, `info/`. */
export const objectUrl = (env: Env, area: string, key: string): string =>
  `${env.LEGACY_ORIGIN}/storage/v1/object/${area}${env.LEGACY_BUCKET}/${key.split('/').map(encodeURIComponent).join('/')}`;

export const credentials = (env: Env): Record<string, string> => ({
  authorization: `Bearer ${env.LEGACY_SERVICE_KEY}`,
  apikey: env.LEGACY_SERVICE_KEY,
});

/** Legacy cannot tell at the moment. Nobody may take that for an answer about the object. */
export function legacyUnavailable(why: string): ApiError {
  console.error('legacy', why);
  return new ApiError(503, 'LEGACY_UNAVAILABLE', 'the old store cannot be asked at the moment; try again', {
    'retry-after': '5',
  });
}

/** @throws ApiError 503 LEGACY_UNAVAILABLE when it cannot be reached */
export async function askLegacy(
  env: Env,
  url: string,
  init: { method?: string; headers?: Record<string, string>; body?: ReadableStream } = {},
): Promise<Response> {
  const headers = { ...credentials(env), ...init.headers };
  try {
    // `manual`: what was stored compressed comes as it was stored, with the length that was told.
    return await fetch(url, { ...init, headers, encodeResponseBody: 'manual' });
  } catch (error) {
    throw legacyUnavailable(error instanceof Error ? error.message : String(error));
  }
}

interface Told {
  readonly statusCode: string;
  readonly error: string;
  readonly code: string;
}

/** What the body says of a failure; empty texts where it says nothing. */
async function told(response: Response): Promise<Told> {
  const body: unknown = await response.json().catch(() => null);
  const fields: Record<string, unknown> = typeof body === 'object' && body !== null ? { ...body } : {};
  const textOf = (name: string): string =>
    typeof fields[name] === 'string' || typeof fields[name] === 'number' ? String(fields[name]) : '';
  return { statusCode: textOf('statusCode'), error: textOf('error'), code: textOf('code') };
}

/**
 * Expects that legacy says in so many words that there is no such object. Supabase Storage answers nearly every refusal
 * with HTTP 400; only the body tells an object that is not there from a key that has expired or a bucket that is gone
 * (seen on supabase/storage 1.11.2; its `NoSuchKey` is called `not_found` in `error`). A key that it could not have taken,
 * `InvalidKey`, is not there either.
 * @throws ApiError 503 LEGACY_UNAVAILABLE for every other refusal, and for one that cannot be read
 */
export async function expectNotThere(response: Response): Promise<void> {
  const { statusCode, error, code } = await told(response);
  const names = [error, code];
  if (statusCode === '404' && (names.includes('not_found') || names.includes('NoSuchKey'))) return;
  if (statusCode === '400' && names.includes('InvalidKey')) return;
  throw legacyUnavailable(`answered ${response.status} (${[statusCode, ...names].join(' ').trim()})`);
}
