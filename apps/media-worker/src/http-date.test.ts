import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseHttpDate } from './http-date.ts';

const NOW = Date.parse('2026-06-01T00:00:00Z');

describe('an HTTP-date', () => {
  // RFC 9110 §5.6.7 gives the first three for the same moment.
  it.each([
    ['Sun, 06 Nov 1994 08:49:37 GMT', '1994-11-06T08:49:37Z'],
    ['Sunday, 06-Nov-94 08:49:37 GMT', '1994-11-06T08:49:37Z'],
    ['Sun Nov  6 08:49:37 1994', '1994-11-06T08:49:37Z'],
    ['Wed Nov 16 08:49:37 1994', '1994-11-16T08:49:37Z'],
    ['Thu, 29 Feb 2024 23:59:59 GMT', '2024-02-29T23:59:59Z'],
    ['Sat, 31 Dec 2016 23:59:60 GMT', '2017-01-01T00:00:00Z'],
    ['Tuesday, 01-Jan-30 00:00:00 GMT', '2030-01-01T00:00:00Z'],
    // 50 years ahead is the future, 51 the past.
    ['Wednesday, 01-Jan-76 00:00:00 GMT', '2076-01-01T00:00:00Z'],
    ['Saturday, 01-Jan-77 00:00:00 GMT', '1977-01-01T00:00:00Z'],
  ])('is read from %s', (text, expected) => {
    expect(parseHttpDate(text, NOW)).toBe(Date.parse(expected) / 1000);
  });

  // Date.parse takes most of these: bun#41502, jakartaee/servlet#867.
  it.each([
    '2030',
    '0',
    '-1',
    '1/1/2030',
    'January 2030',
    'yesterday',
    '',
    '2030-01-01T00:00:00Z',
    '1893456000',
    'Tue, 1 Jan 2030 00:00:00 GMT',
    'Tue, 01 Jan 2030 00:00:00 UTC',
    'Tue, 01 Jan 2030 00:00:00 +0000',
    'Tue, 01 Jan 2030 00:00:00',
    'tue, 01 jan 2030 00:00:00 gmt',
    '01 Jan 2030 00:00:00 GMT',
    'Tue, 01 Jan 2030 24:00:00 GMT',
    'Fri, 30 Feb 2024 00:00:00 GMT',
    'Mon, 00 Jan 2024 00:00:00 GMT',
    'Tue Jan 1 00:00:00 2030',
    'Tue, 01-Jan-30 00:00:00 GMT',
    'Tue, 01 Jan 2030 00:00:00 GMT, Tue, 01 Jan 2030 00:00:00 GMT',
  ])('is not read from %j', (text) => {
    expect(parseHttpDate(text, NOW)).toBeNull();
  });

  it('means the same in the forms of four digits, for every second', () => {
    fc.assert(
      fc.property(fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true }), (date) => {
        const [weekday = '', day = '', month = '', year = '', time = ''] = date.toUTCString().split(/,? /);
        const asctime = `${weekday} ${month} ${day.replace(/^0/, ' ')} ${time} ${year}`;
        const seconds = Math.floor(date.getTime() / 1000);
        expect([parseHttpDate(date.toUTCString()), parseHttpDate(asctime)]).toEqual([seconds, seconds]);
      }),
    );
  });
});
