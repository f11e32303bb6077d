/** What R2 takes for a key, bytes of UTF-8 (R2's limits: "Object key length"). Audafact's own bound of 500 is for new keys. */
const MOST_BYTES = 1024;
const PREFIXES = ['library/', 'users/', 'sessions/'] as const;
/** Segments that a URL parser takes for `.` or `..`, also percent-encoded (WHATWG URL: single- and double-dot segments). */
const DOT_SEGMENT = /^(?:\.|%2e){1,2}$/i;
// oxlint-disable-next-line no-control-regex -- they are what is refused
const CONTROL = /[\u0000-\u001f\u007f]/;

const sizeOf = (text: string): number => new TextEncoder().encode(text).byteLength;

/**
 * Why the Worker cannot serve an object under this key, in words that follow "the key …"; `null` when it can.
 *
 * A key belongs to whoever stored it. What is refused here cannot travel in the path of a link, or cannot lie in R2, and
 * nothing else is: dots, percent sequences, blanks and other scripts are served as they are. This file imports nothing,
 * so that the rollout can ask the same rule about every object of legacy before it switches.
 */
export function whyUnservable(key: string): string | null {
  if (!PREFIXES.some((prefix) => key.startsWith(prefix))) return `begins with none of ${PREFIXES.join(', ')}`;
  if (PREFIXES.some((prefix) => key === prefix)) return 'names no file after its prefix';
  // It has no UTF-8 of its own: whatever encodes it makes another key of it.
  if (!key.isWellFormed()) return 'is not valid Unicode (half of a surrogate pair)';
  // A UTF-16 unit has at least one byte and at most three, so that most keys need no counting.
  if (key.length * 3 > MOST_BYTES && sizeOf(key) > MOST_BYTES)
    return `has ${sizeOf(key)} bytes of UTF-8, and R2 takes at most ${MOST_BYTES}`;
  if (CONTROL.test(key)) return 'holds a control character';
  // Cloudflare merges successive slashes of a URL before a Worker sees it (URL normalization, on in every zone by default).
  if (key.includes('//')) return 'holds "//", which Cloudflare makes one slash of';
  if (key.split('/').some((segment) => DOT_SEGMENT.test(segment)))
    return 'has a whole segment "." or "..", which URLs resolve';
  return null;
}
