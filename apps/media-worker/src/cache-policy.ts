/** What the three kinds of media let caches do, by the key's prefix. */
export function cacheControl(key: string): string {
  if (key.startsWith('library/')) return 'public, max-age=31536000, immutable';
  if (key.startsWith('sessions/')) return 'private, max-age=900, no-cache';
  return 'private, max-age=3600, must-revalidate';
}

/** Strong for the immutable library, weak for what a user may replace. */
export function etagFor(key: string, etag: string): string {
  return key.startsWith('library/') ? `"${etag}"` : `W/"${etag}"`;
}
