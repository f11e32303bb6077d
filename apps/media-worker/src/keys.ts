import { ApiError } from './api-error.ts';
import { whyUnservable } from './servable-key.ts';

const LONGEST_FILENAME = 255;
/** File ending → media type: the only ones that Audafact takes. */
const TYPES: Readonly<Record<string, string>> = { mp3: 'audio/mpeg', wav: 'audio/wav', m4a: 'audio/mp4' };
/** Control characters, and the backslash that some clients take for a slash. */
// oxlint-disable-next-line no-control-regex -- they are what is refused
const FORBIDDEN = /[\u0000-\u001f\u007f\\]/;

/**
 * The key, if it is one that can be served (`servable-key.ts`).
 * @throws ApiError 400 KEY_INVALID
 */
export function checkKey(key: string | undefined): string {
  const why = key === undefined ? 'is missing' : whyUnservable(key);
  if (key === undefined || why !== null) throw new ApiError(400, 'KEY_INVALID', `the key ${why}`);
  return key;
}

/** The key of a `/media/…` path, decoded exactly once. */
export function keyOfPath(pathname: string): string {
  try {
    const segments = pathname.slice('/media/'.length).split('/').map(decodeURIComponent);
    // A slash that came encoded would make another key of the same path.
    if (segments.some((segment) => segment.includes('/'))) throw new URIError('encoded slash');
    return checkKey(segments.join('/'));
  } catch (error) {
    if (error instanceof URIError) throw new ApiError(400, 'KEY_INVALID', 'the key is not a valid media key');
    throw error;
  }
}

/** Whose file a key is; `null` for the library, which is everybody's. */
export function ownerOf(key: string): string | null {
  const [prefix, owner = ''] = key.split('/');
  return prefix === 'library' ? null : owner;
}

/**
 * The type of an upload, if its name and type are allowed and fit each other.
 * @throws ApiError 400 FILENAME_INVALID or TYPE_NOT_ALLOWED
 */
export function checkFile(filename: string, contentType: string): { extension: string } {
  if (
    filename.length === 0 ||
    filename.length > LONGEST_FILENAME ||
    filename.includes('/') ||
    FORBIDDEN.test(filename)
  ) {
    throw new ApiError(400, 'FILENAME_INVALID', 'a file name has 1 to 255 characters and no slash');
  }
  const extension = /\.([a-z0-9]+)$/i.exec(filename)?.[1]?.toLowerCase() ?? '';
  if (TYPES[extension] === undefined || TYPES[extension] !== contentType) {
    throw new ApiError(
      400,
      'TYPE_NOT_ALLOWED',
      'only .mp3 (audio/mpeg), .wav (audio/wav) and .m4a (audio/mp4) are taken',
    );
  }
  return { extension };
}

/** A new key for a user's upload: unguessable, and still readable. */
export function mintUploadKey(userId: string, filename: string, extension: string): string {
  const slug = filename
    .slice(0, -extension.length - 1)
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 60);
  return `users/${userId}/uploads/${crypto.randomUUID()}-${slug === '' ? 'audio' : slug}.${extension}`;
}
