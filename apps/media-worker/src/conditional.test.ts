import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isDateStrong, judgePreconditions, rangeStillFits } from './conditional.ts';
import { parseHttpDate } from './http-date.ts';

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
    // What Date.parse takes and RFC 9110 §5.6.7 does not: bun#41502, jakartaee/servlet#867.
    [{ 'if-modified-since': '2030' }, '"a"', 'go on'],
    [{ 'if-modified-since': '1/1/2030' }, '"a"', 'go on'],
    [{ 'if-modified-since': 'January 2030' }, '"a"', 'go on'],
    [{ 'if-unmodified-since': '0' }, '"a"', 'go on'],
    [{ 'if-unmodified-since': '-1' }, '"a"', 'go on'],
    [{ 'if-modified-since': 'Thursday, 01-Jan-26 00:00:00 GMT' }, '"a"', 'not modified'],
    [{ 'if-modified-since': 'Thu Jan  1 00:00:00 2026' }, '"a"', 'not modified'],
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
    [{ 'if-range': '2026-01-01T00:00:00Z' }, '"a"', false],
    [{ 'if-range': 'Thu, 1 Jan 2026 00:00:00 GMT' }, '"a"', false],
    [{ 'if-range': '' }, '"a"', false],
  ] as const)('%o of %s: %s', (headers, etag, expected) => {
    expect(rangeStillFits(new Headers(headers), etag, MODIFIED)).toBe(expected);
  });

  // RFC 9110 §8.8.2.2.
  it.each([
    ['W/"a"', 500, false],
    ['W/"a"', 1999, false],
    ['W/"a"', 2000, true],
    // What never changes under its key has one version only.
    ['"a"', 500, true],
  ])('of the date of %s, %i ms after the second began: %s', (etag, ms, expected) => {
    const now = Date.parse('2026-01-01T00:00:00Z') + ms;
    expect(rangeStillFits(new Headers({ 'if-range': SAME }), etag, MODIFIED, now)).toBe(expected);
    expect(isDateStrong(etag, MODIFIED, now)).toBe(expected);
  });
});

describe('a date that is none', () => {
  const dateLike = fc.oneof(
    fc.integer({ min: -10, max: 5_000_000_000 }).map(String),
    fc
      .date({ noInvalidDate: true })
      .chain((date) => fc.constantFrom(date.toISOString(), date.toString(), date.toUTCString())),
    fc.stringMatching(/^[A-Z][a-z]{2},? \d{1,2}[ /-](Jan|01|January)[ /-]\d{2,4}( \d\d:\d\d(:\d\d)?)?( GMT| UTC|Z)?$/),
  );

  it('neither ends a request nor holds for a range, and only the three forms do', () => {
    fc.assert(
      fc.property(dateLike, (text) => {
        const headers = (name: string): Headers => new Headers({ [name]: text });
        const acts =
          judgePreconditions(headers('if-modified-since'), '"a"', new Date(0)) !== 'go on' ||
          judgePreconditions(headers('if-unmodified-since'), '"a"', new Date('9999-12-31')) !== 'go on' ||
          rangeStillFits(headers('if-range'), '"a"', new Date(Date.parse(text)));
        if (acts) expect(parseHttpDate(text.trim())).not.toBeNull();
      }),
      { numRuns: 1000 },
    );
  });
});
