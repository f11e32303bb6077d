import { ApiError } from './api-error.ts';

export interface ByteRange {
  readonly start: number;
  /** Inclusive. */
  readonly end: number;
}

/**
 * The range that a `Range` header asks for. `null` means the whole: no header, a unit or form that is not
 * understood (RFC 9110 §14.2: ignored), or several ranges, which a server may answer with the whole.
 * @throws ApiError 416 when the range lies beyond the end
 */
export function parseRange(header: string | undefined, size: number): ByteRange | null {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/i.exec(header?.trim() ?? '') ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) return null;
  const beyond = (): ApiError =>
    new ApiError(416, 'RANGE_NOT_SATISFIABLE', `the object has ${size} bytes`, { 'content-range': `bytes */${size}` });
  if (first === '') {
    const suffix = Number(last);
    if (suffix === 0 || size === 0) throw beyond();
    return { start: Math.max(0, size - suffix), end: size - 1 };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) return null;
  if (start >= size) throw beyond();
  return { start, end: last === '' ? size - 1 : Math.min(Number(last), size - 1) };
}
