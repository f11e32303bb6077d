import { ApiError } from './api-error.ts';

export interface ByteRange {
  readonly start: number;
  /** Inclusive. */
  readonly end: number;
}

/** More ranges than this in one request serve no player: the header is ignored (RFC 9110 §14.2 allows it). */
const MOST_RANGES = 16;

/**
 * The ranges that a `Range` header asks for, in its order. `null` means the whole: no header, a unit or form that is
 * not understood, too many ranges, or ranges that overlap each other (RFC 9110 §14.2: a server may ignore them).
 * @throws ApiError 416 when none of them lies within the object
 */
export function parseRanges(header: string | undefined, size: number): readonly ByteRange[] | null {
  const set = /^bytes=(.+)$/i.exec(header?.trim() ?? '')?.[1];
  if (set === undefined) return null;
  // RFC 9110 §5.6.1: empty list elements are skipped.
  const parts = set
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  if (parts.length === 0 || parts.length > MOST_RANGES) return null;
  const ranges: ByteRange[] = [];
  for (const part of parts) {
    const [, first = '', last = ''] = /^(\d*)-(\d*)$/.exec(part) ?? [];
    if (first === '' && last === '') return null;
    if (first !== '' && last !== '' && Number(last) < Number(first)) return null;
    const range = within(first, last, size);
    if (range !== null) ranges.push(range);
  }
  if (ranges.length === 0)
    throw new ApiError(416, 'RANGE_NOT_SATISFIABLE', `the object has ${size} bytes`, {
      'content-range': `bytes */${size}`,
    });
  const sorted = ranges.toSorted((a, b) => a.start - b.start);
  const overlap = sorted.some((range, index) => range.start <= (sorted[index - 1]?.end ?? -1));
  return overlap ? null : ranges;
}

/** The part of one range that the object has; `null` when there is none. */
function within(first: string, last: string, size: number): ByteRange | null {
  if (first === '') {
    const suffix = Number(last);
    return suffix === 0 || size === 0 ? null : { start: Math.max(0, size - suffix), end: size - 1 };
  }
  const start = Number(first);
  return start >= size ? null : { start, end: last === '' ? size - 1 : Math.min(Number(last), size - 1) };
}

/** The header's one range as R2 takes it, before the size is known; `null` for anything else. */
export function singleRange(header: string | null): R2Range | null {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/i.exec(header?.trim() ?? '') ?? [];
  if (first === '') return last === '' || Number(last) === 0 ? null : { suffix: Number(last) };
  if (last === '') return { offset: Number(first) };
  return Number(last) < Number(first) ? null : { offset: Number(first), length: Number(last) - Number(first) + 1 };
}
