/** The folder's own room for what a file system cannot hold: metadata, and files that are not yet whole. */
export const OWN_FOLDER = '.crossfade';
/** What Linux, macOS and Windows take of one file or folder name, bytes. */
const LONGEST_NAME = 255;

/** At any depth: a folder below may have been the target of another copy. A disk may ignore case. */
export function isOwn(name: string): boolean {
  return name.toLowerCase() === OWN_FOLDER;
}

/** Why a key cannot be a file below a folder, in words for a report; `null` when it can. */
export function refusedByFolders(key: string): string | null {
  const segments = (key.endsWith('/') ? key.slice(0, -1) : key).split('/');
  if (key === '') return 'an empty key is no file name';
  if (key.includes('\0')) return 'a file name cannot hold a NUL';
  if (key.startsWith('/')) return 'a key that begins with / would leave the folder';
  if (segments.includes('..')) return 'a key with .. in it would leave the folder';
  if (segments.includes('.') || segments.includes(''))
    return 'a folder cannot hold an empty name or a dot between two slashes';
  if (segments.some(isOwn)) return `${OWN_FOLDER} in a folder is Crossfade's own`;
  const long = segments.find((segment) => Buffer.byteLength(segment) > LONGEST_NAME);
  if (long === undefined) return null;
  return `a file name takes ${LONGEST_NAME} bytes, one part of this key has ${Buffer.byteLength(long)}`;
}
