import type { ObjectMeta, SystemHeader } from '../object-meta.ts';

/** Dropped by a PUT without a word (seen on supabase/storage 1.11.2); its REST API tells none of them either. */
export const UNHELD_HEADERS: readonly SystemHeader[] = [
  'contentDisposition',
  'contentEncoding',
  'contentLanguage',
  'expires',
];

/** What a header can be called (RFC 9110, token); names are told in lower case. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;

/**
 * The custom metadata that `object/info` tells: any JSON, of which S3's headers tell only strings in ASCII. A value
 * that is no string is its JSON text. A name that no header can have, or two that differ only in case, are counted as
 * untold: no other store could keep them.
 */
export function readUserMetadata(metadata: Readonly<Record<string, unknown>>): Pick<ObjectMeta, 'custom' | 'untold'> {
  const custom: Record<string, string> = Object.create(null) as Record<string, string>;
  let untold = 0;
  for (const [name, value] of Object.entries(metadata)) {
    const lower = name.toLowerCase();
    if (!HEADER_NAME.test(lower) || Object.hasOwn(custom, lower)) untold++;
    else custom[lower] = typeof value === 'string' ? value : JSON.stringify(value);
  }
  return untold === 0 ? { custom } : { custom, untold };
}
