import { isAbsolute, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { refusedByFolders } from './folder-keys.ts';
import { refusedByStorage } from '../providers/supabase/storage-keys.ts';

/** Where objects lie, as somebody writes it at the command line. A prefix ends in a slash, or is empty. */
export type Location =
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 's3'; readonly bucket: string; readonly prefix: string }
  /** Read over REST, with a URL and a key. */
  | { readonly kind: 'supabase'; readonly bucket: string; readonly prefix: string }
  /** A store that the config or the environment names. */
  | { readonly kind: 'named'; readonly name: string; readonly prefix: string };

/** A location that nobody can mean. `hint` says what can be written. */
export class LocationError extends Error {
  override readonly name = 'LocationError';
  readonly hint: string;
  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

export const LOCATION_FORMS =
  'write s3://bucket/prefix, supabase://bucket/prefix, a folder (./media, /srv/media), file:///srv/media or a name of the config (legacy/users)';

/** Reads a location. Folders are relative to `cwd`. @throws LocationError */
export function parseLocation(text: string, cwd: string): Location {
  if (text === '') throw new LocationError('an empty location', LOCATION_FORMS);
  if (text.startsWith('file:')) return { kind: 'folder', path: folderOf(text) };
  if (text === '.' || text === '..' || /^\.{1,2}\//.test(text) || isAbsolute(text))
    return { kind: 'folder', path: resolve(cwd, text) };
  const [, kind, below] = /^(s3|supabase):\/\/(.*)$/s.exec(text) ?? [];
  if ((kind === 's3' || kind === 'supabase') && below !== undefined) {
    const [bucket = '', ...path] = below.split('/');
    // A key in the address is a common slip; what stands there would be printed in logs and histories.
    if (bucket.includes('@'))
      throw new LocationError(
        'credentials do not belong in an address',
        kind === 's3'
          ? 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a store: crossfade copy --help'
          : 'set SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY, or name a store: crossfade copy --help',
      );
    if (!BUCKET_NAME[kind].test(bucket))
      throw new LocationError(`${JSON.stringify(bucket)} is no name of a bucket`, LOCATION_FORMS);
    return { kind, bucket, prefix: asPrefix(path.join('/')) };
  }
  const scheme = /^([a-z0-9+.-]+):\/\//i.exec(text)?.[1];
  if (scheme !== undefined) throw new LocationError(`there are no ${scheme}:// locations`, LOCATION_FORMS);
  const [name = '', ...rest] = text.split('/');
  if (!/^[a-z][a-z0-9-]*$/.test(name))
    throw new LocationError(`${JSON.stringify(text)} is no location`, LOCATION_FORMS);
  return { kind: 'named', name, prefix: asPrefix(rest.join('/')) };
}

/** Supabase takes more in a bucket's name than S3 does, blanks among it. */
const BUCKET_NAME = {
  s3: /^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$/,
  supabase: /^[A-Za-z0-9_!.*'() &$=@;:+,?-]{1,100}$/,
} as const;

function folderOf(text: string): string {
  try {
    return fileURLToPath(text);
  } catch {
    throw new LocationError(`${JSON.stringify(text)} is no folder`, 'write file:///srv/media, with three slashes');
  }
}

/** A location's prefix is a folder of keys: `users` means `users/`, never `users2/…`. */
function asPrefix(path: string): string {
  return path === '' || path.endsWith('/') ? path : `${path}/`;
}

/** What two locations have in common when one lies in the other. */
export interface Place {
  /** The bucket, or the root for folders; places of different roots have nothing in common. */
  readonly root: string;
  /** Prefix or path below it; ends in a slash, or is empty. */
  readonly path: string;
}

/** Whether one of them lies in the other, so that a copy would read what it writes. */
export function overlap(a: Place, b: Place): boolean {
  return a.root === b.root && (a.path.startsWith(b.path) || b.path.startsWith(a.path));
}

/** Bytes. */
const LONGEST_KEY = 1024;

/** Why a store of that kind cannot hold a key, in words for a report; `null` when it can. */
export function refusedBy(kind: 'folder' | 's3' | 'supabase', key: string): string | null {
  if (kind === 'folder') return refusedByFolders(key);
  if (kind === 'supabase') return refusedByStorage(key);
  const bytes = Buffer.byteLength(key);
  return bytes > LONGEST_KEY ? `a key takes ${LONGEST_KEY} bytes, this one has ${bytes}` : null;
}
