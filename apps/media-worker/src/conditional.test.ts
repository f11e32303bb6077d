import { describe, expect, it } from 'vitest';
import { judgePreconditions, rangeStillFits } from './conditional.ts';

const MODIFIED = new Date('2026-01-01T00:00:00.500Z');
const SAME = 'Thu, 01 Jan 2026 00:00:00 GMT';
const BEFORE = 'Wed, 31 Dec 2025 23:59:59 GMT';

// RFC 9110 §13.1 and §13.2.2.
describe('a precondition', () => {
  it.each([
    [{}, '"a"', 'go on'],
    [{ 'if-none-match': '"a"' }, '"a"', 'not modified'],
    [{ 'if-none-match': 'W/"a"' }, '"a"', 'not modified'],
    [{ 'if-none-match': '"b", "a"' }, '"a"', 'not modified'],
    [{ 'if-none-match': '*' }, '"a"', 'not modified'],
    [{ 'if-none-match': '"b"', 'if-modified-since': SAME }, '"a"', 'go on'],
    [{ 'if-modified-since': SAME }, '"a"', 'not modified'],
    [{ 'if-modified-since': BEFORE }, '"a"', 'go on'],
    [{ 'if-modified-since': 'yesterday' }, '"a"', 'go on'],
    [{ 'if-match': '"a"' }, '"a"', 'go on'],
    [{ 'if-match': 'W/"a"' }, 'W/"a"', 'failed'],
    [{ 'if-match': '"b"' }, '"a"', 'failed'],
    [{ 'if-match': '"b"', 'if-none-match': '"a"' }, '"a"', 'failed'],
    [{ 'if-unmodified-since': BEFORE }, '"a"', 'failed'],
    [{ 'if-unmodified-since': SAME }, '"a"', 'go on'],
  ] as const)('%o of %s: %s', (headers, etag, expected) => {
    expect(judgePreconditions(new Headers(headers), etag, MODIFIED)).toBe(expected);
  });
});

describe('If-Range', () => {
  it.each([
    [{}, '"a"', true],
    [{ 'if-range': '"a"' }, '"a"', true],
    [{ 'if-range': '"b"' }, '"a"', false],
    [{ 'if-range': 'W/"a"' }, 'W/"a"', false],
    [{ 'if-range': SAME }, '"a"', true],
    [{ 'if-range': BEFORE }, '"a"', false],
  ] as const)('%o of %s: %s', (headers, etag, expected) => {
    expect(rangeStillFits(new Headers(headers), etag, MODIFIED)).toBe(expected);
  });
});
