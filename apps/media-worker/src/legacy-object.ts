import type { Env } from './env.ts';
import type { OpenMedia } from './media-store.ts';

export const objectUrl = (env: Env, access: string, key: string): string =>
  `${env.LEGACY_ORIGIN}/storage/v1/object/${access}${env.LEGACY_BUCKET}/${key.split('/').map(encodeURIComponent).join('/')}`;

export const credentials = (env: Env): Record<string, string> => ({
  authorization: `Bearer ${env.LEGACY_SERVICE_KEY}`,
  apikey: env.LEGACY_SERVICE_KEY,
});

/** Supabase Storage answers 400 for what is not there; only its own trouble is an error here. */
function missing(response: Response): boolean {
  return response.status === 400 || response.status === 404;
}

/** An object of Supabase Storage; `null` when it is not there. */
export async function openLegacy(env: Env, key: string): Promise<OpenMedia | null> {
  const url = objectUrl(env, 'authenticated/', key);
  const head = await fetch(url, { method: 'HEAD', headers: credentials(env) });
  if (missing(head)) return null;
  if (!head.ok) throw new Error(`legacy answered ${head.status}`);
  return {
    size: Number(head.headers.get('content-length') ?? 0),
    etag: (head.headers.get('etag') ?? '').replaceAll('"', ''),
    modified: new Date(head.headers.get('last-modified') ?? 0),
    contentType: head.headers.get('content-type') ?? 'application/octet-stream',
    source: 'legacy',
    async body(range) {
      const headers =
        range === null ? credentials(env) : { ...credentials(env), range: `bytes=${range.start}-${range.end}` };
      const response = await fetch(url, { headers });
      if (!response.ok || response.body === null) throw new Error(`legacy answered ${response.status}`);
      return response.body;
    },
  };
}

/** Removing what is not there is no failure. */
export async function deleteLegacy(env: Env, key: string): Promise<void> {
  // Named, so that the log of the old store tells it from somebody who still reads there.
  const headers = { ...credentials(env), 'user-agent': 'crossfade-worker' };
  const response = await fetch(objectUrl(env, '', key), { method: 'DELETE', headers });
  await response.body?.cancel();
  if (!response.ok && !missing(response)) throw new Error(`legacy answered ${response.status}`);
}
