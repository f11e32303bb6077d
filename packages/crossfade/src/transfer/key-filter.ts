import picomatch from 'picomatch';

/** A pattern that is none. The message quotes it. */
export class GlobError extends Error {
  override readonly name = 'GlobError';
}

/**
 * Which keys a transfer takes: those that match one of `include` (all when there is none) and none of `exclude`.
 * Patterns are globs over the whole key below the location; one without a slash matches the last part of the key, in
 * any folder.
 * @throws GlobError
 */
export function keyFilter(include: readonly string[], exclude: readonly string[]): ((key: string) => boolean) | null {
  if (include.length === 0 && exclude.length === 0) return null;
  const wanted = include.map(matcher);
  const unwanted = exclude.map(matcher);
  return (key) =>
    (wanted.length === 0 || wanted.some((matches) => matches(key))) && !unwanted.some((matches) => matches(key));
}

function matcher(glob: string): (key: string) => boolean {
  if (glob === '') throw new GlobError('an empty pattern matches nothing');
  try {
    const matches = picomatch(glob, { dot: true, strictBrackets: true, nonegate: true });
    if (glob.includes('/')) return (key) => matches(key);
    return (key) => matches(key.slice(key.lastIndexOf('/') + 1));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new GlobError(`${JSON.stringify(glob)} is no pattern: ${why}`, { cause: error });
  }
}
