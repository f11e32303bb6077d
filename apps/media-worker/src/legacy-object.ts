import type { Env } from './env.ts';
import { askLegacy, expectNotThere, legacyUnavailable, objectUrl } from './legacy-answer.ts';
import { legacyMetadata, type LegacyMetadata } from './legacy-metadata.ts';
import type { OpenMedia } from './media-store.ts';

export interface LegacyMedia extends OpenMedia {
  /** Everything that legacy keeps of the object besides its bytes; asked only when the object is carried over. */
  metadata(): Promise<LegacyMetadata>;
}

/** Nobody on the way may compress what was not stored compressed: its length would be another one. */
const AS_STORED = { 'accept-encoding': 'identity' };

/** Headers of the object; `null` when it is not there. */
async function headOf(env: Env, url: string): Promise<Headers | null> {
  const head = await askLegacy(env, url, { method: 'HEAD', headers: AS_STORED });
  if (head.ok) return head.headers;
  // Trouble of its own (544: its database timed out), or too many requests: asking once more makes it no better.
  if (head.status >= 500 || head.status === 429) throw legacyUnavailable(`answered ${head.status}`);
  // The refusal of a HEAD has no body to tell why.
  const got = await askLegacy(env, url, { headers: AS_STORED });
  if (got.ok) {
    await got.body?.cancel();
    return got.headers;
  }
  await expectNotThere(got);
  return null;
}

function sizeIn(headers: Headers): number {
  const length = headers.get('content-length') ?? '';
  if (!/^\d+$/.test(length)) throw legacyUnavailable('told no length');
  return Number(length);
}

/**
 * An object of Supabase Storage; `null` when it is not there.
 * @throws ApiError 503 LEGACY_UNAVAILABLE when it cannot be told
 */
export async function openLegacy(env: Env, key: string): Promise<LegacyMedia | null> {
  const url = objectUrl(env, 'authenticated/', key);
  const headers = await headOf(env, url);
  if (headers === null) return null;
  return {
    size: sizeIn(headers),
    etag: (headers.get('etag') ?? '').replaceAll('"', ''),
    modified: new Date(headers.get('last-modified') ?? 0),
    contentType: headers.get('content-type') ?? 'application/octet-stream',
    contentEncoding: headers.get('content-encoding') ?? undefined,
    contentLanguage: headers.get('content-language') ?? undefined,
    source: 'legacy',
    metadata: () => legacyMetadata(env, key, headers),
    async body(range) {
      const asked = range === null ? AS_STORED : { ...AS_STORED, range: `bytes=${range.start}-${range.end}` };
      const response = await askLegacy(env, url, { headers: asked });
      if (response.ok && response.body !== null) return response.body;
      await response.body?.cancel();
      throw legacyUnavailable(`answered ${response.status}`);
    },
  };
}

/**
 * Removing what is not there is no failure.
 * @throws ApiError 503 LEGACY_UNAVAILABLE when it may still be there
 */
export async function deleteLegacy(env: Env, key: string): Promise<void> {
  // Named, so that the log of the old store tells it from somebody who still reads there.
  const headers = { 'user-agent': 'crossfade-worker' };
  const response = await askLegacy(env, objectUrl(env, '', key), { method: 'DELETE', headers });
  if (response.ok) await response.body?.cancel();
  else await expectNotThere(response);
}
