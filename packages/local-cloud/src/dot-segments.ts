/**
 * Whether a request's path has a segment `.` or `..`, encoded or not. A URL resolves these, and so does the proxy that
 * stands in front of each vendor; a double that went on with what is left would store the bytes under another key.
 */
export function hasDotSegment(target: string | undefined): boolean {
  const [path = ''] = (target ?? '').split('?');
  return path.split('/').some((segment) => /^(?:\.|%2e){1,2}$/i.test(segment));
}
