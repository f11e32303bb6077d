import type { Env } from './env.ts';
import { parseHttpDate } from './http-date.ts';
import { askLegacy, legacyUnavailable, objectUrl } from './legacy-answer.ts';

/** What R2 keeps of an object besides its bytes. */
export interface LegacyMetadata {
  readonly httpMetadata: R2HTTPMetadata;
  readonly customMetadata: Record<string, string>;
}

/** The fields of an object; `null` for anything else. */
function fieldsOf(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null;
}

const textIn = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

/** The fields that are there: R2 takes no `null`. */
function present<Value>(fields: Readonly<Record<string, Value | null>>): Record<string, Value> {
  return Object.fromEntries(Object.entries(fields).flatMap(([name, value]) => (value === null ? [] : [[name, value]])));
}

/**
 * The runtime reads headers as UTF-8; what came as Latin-1 is lost by then.
 * @throws Error when it is
 */
function headerIn(headers: Headers, name: string): string | null {
  const text = headers.get(name);
  if (text?.includes('\ufffd') === true) throw new Error(`legacy's ${name} is not UTF-8, so it cannot be carried over`);
  return text;
}

/** R2 keeps a moment where other stores keep any text. */
function expiry(key: string, text: string | null): Date | null {
  if (text === null) return null;
  const seconds = parseHttpDate(text);
  if (seconds === null) console.warn('legacy', key, 'has an Expires that is no date, which R2 cannot keep');
  return seconds === null ? null : new Date(seconds * 1000);
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** @throws ApiError 503 LEGACY_UNAVAILABLE when it cannot be told */
async function infoOf(env: Env, key: string): Promise<Record<string, unknown>> {
  const response = await askLegacy(env, objectUrl(env, 'info/', key));
  const text = await response.text();
  if (!response.ok) throw legacyUnavailable(`told no metadata: answered ${response.status}`);
  // Servers from before custom metadata answer with the headers alone.
  if (text === '') return {};
  const fields = fieldsOf(parsed(text));
  if (fields === null) throw legacyUnavailable('told metadata that cannot be read');
  return fields;
}

/**
 * Everything that legacy keeps of an object besides its bytes. The `headers` of the object have most of it, but no custom
 * metadata, and their type is made harmless (`text/html` comes as `text/plain`): `info` tells both as they were stored
 * (supabase/storage, `src/storage/renderer/info.ts`). Custom metadata is JSON there: what is no text is kept as JSON.
 * @throws Error when it cannot be told: without it the object is not carried over
 */
export async function legacyMetadata(env: Env, key: string, headers: Headers): Promise<LegacyMetadata> {
  const info = await infoOf(env, key);
  const custom = Object.entries(fieldsOf(info['metadata']) ?? {}).map(([name, value]): [string, string] => [
    // As S3 has them, which is how the copy reads them.
    name.toLowerCase(),
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
  return {
    httpMetadata: {
      ...present({
        contentType: textIn(info['content_type']) ?? headerIn(headers, 'content-type'),
        cacheControl: textIn(info['cache_control']) ?? headerIn(headers, 'cache-control'),
        contentDisposition: headerIn(headers, 'content-disposition'),
        contentEncoding: headerIn(headers, 'content-encoding'),
        contentLanguage: headerIn(headers, 'content-language'),
      }),
      ...present({ cacheExpiry: expiry(key, headerIn(headers, 'expires')) }),
    },
    customMetadata: Object.fromEntries(custom),
  };
}
