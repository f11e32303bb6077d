import type { Env } from './env.ts';
import type { MediaStore, OpenMedia } from './media-store.ts';
import { openR2 } from './r2-store.ts';

const objectUrl = (env: Env, access: string, key: string): string =>
  `${env.LEGACY_ORIGIN}/storage/v1/object/${access}${env.LEGACY_BUCKET}/${key.split('/').map(encodeURIComponent).join('/')}`;

const credentials = (env: Env): Record<string, string> => ({
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
      const headers = range === null ? credentials(env) : { ...credentials(env), range: `bytes=${range.start}-${range.end}` };
      const response = await fetch(url, { headers });
      if (!response.ok || response.body === null) throw new Error(`legacy answered ${response.status}`);
      return response.body;
    },
  };
}

/** Removing what is not there is no failure. */
export async function deleteLegacy(env: Env, key: string): Promise<void> {
  const response = await fetch(objectUrl(env, '', key), { method: 'DELETE', headers: credentials(env) });
  await response.body?.cancel();
  if (!response.ok && !missing(response)) throw new Error(`legacy answered ${response.status}`);
}

/** Legacy is the store; what only R2 has (uploaded while the new version served) is found all the same. */
export function createLegacyStore(env: Env): MediaStore {
  return {
    open: async (key) => (await openLegacy(env, key)) ?? (await openR2(env, key)),
    async put(key, body, size, contentType) {
      const sized = new FixedLengthStream(size);
      const [, response] = await Promise.all([
        body.pipeTo(sized.writable),
        fetch(objectUrl(env, '', key), {
          method: 'POST',
          headers: { ...credentials(env), 'content-type': contentType, 'x-upsert': 'true', 'cache-control': '3600' },
          body: sized.readable,
        }),
      ]);
      await response.body?.cancel();
      if (!response.ok) throw new Error(`legacy answered ${response.status}`);
      return { etag: response.headers.get('etag')?.replaceAll('"', '') ?? '' };
    },
    async delete(key) {
      await deleteLegacy(env, key);
      await env.MEDIA.delete(key);
    },
    async alive() {
      const response = await fetch(`${env.LEGACY_ORIGIN}/storage/v1/bucket/${env.LEGACY_BUCKET}`, { headers: credentials(env) });
      await response.body?.cancel();
      return response.ok;
    },
  };
}
