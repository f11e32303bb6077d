/**
 * Percent-encodes everything but RFC 3986's unreserved characters. `encodeURIComponent` also leaves `!'()*` as they are,
 * but SigV4 signs them encoded, and RFC 8187 allows none of them in a value except `!`.
 */
export function encodeStrictly(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
