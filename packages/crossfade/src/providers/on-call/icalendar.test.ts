import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createCalendarAddress, readShifts } from './icalendar.ts';

const at = (text: string): number => Date.parse(text);
const calendar = (...lines: string[]): string =>
  ['BEGIN:VCALENDAR', 'VERSION:2.0', 'PRODID:-//team//on-call//EN', ...lines, 'END:VCALENDAR', ''].join('\r\n');
const event = (...lines: string[]): string[] => ['BEGIN:VEVENT', ...lines, 'END:VEVENT'];
const shifts = (text: string, from: string, until: string): string[] =>
  readShifts('calendar.ics', text, at(from), at(until)).map(
    ({ person, from, until }) => `${person} ${new Date(from).toISOString()} ${new Date(until).toISOString()}`,
  );

/** Central European time, as calendar programs write it down. */
const BERLIN = [
  'BEGIN:VTIMEZONE',
  'TZID:Europe/Berlin',
  'BEGIN:DAYLIGHT',
  'DTSTART:19810329T020000',
  'RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU',
  'TZOFFSETFROM:+0100',
  'TZOFFSETTO:+0200',
  'END:DAYLIGHT',
  'BEGIN:STANDARD',
  'DTSTART:19961027T030000',
  'RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU',
  'TZOFFSETFROM:+0200',
  'TZOFFSETTO:+0100',
  'END:STANDARD',
  'END:VTIMEZONE',
];

describe('a calendar of who is on call', () => {
  it('gives single turns that touch the time, and leaves out the others and cancelled ones', () => {
    const text = calendar(
      ...event('UID:1', 'SUMMARY:Ada', 'DTSTART:20261124T080000Z', 'DTEND:20261124T200000Z'),
      ...event('UID:2', 'SUMMARY:Ben', 'DTSTART:20261124T200000Z', 'DURATION:PT12H'),
      ...event('UID:3', 'SUMMARY:Cleo', 'DTSTART:20261125T080000Z', 'DTEND:20261125T200000Z'),
      ...event('UID:4', 'SUMMARY:Dan', 'STATUS:CANCELLED', 'DTSTART:20261124T080000Z', 'DTEND:20261125T200000Z'),
    );
    expect(shifts(text, '2026-11-24T12:00:00Z', '2026-11-25T08:00:00Z')).toEqual([
      'Ada 2026-11-24T08:00:00.000Z 2026-11-24T20:00:00.000Z',
      'Ben 2026-11-24T20:00:00.000Z 2026-11-25T08:00:00.000Z',
    ]);
  });

  it('repeats by RRULE, without the days of EXDATE, and with what was changed for one day of this event only', () => {
    const text = calendar(
      ...event(
        'UID:daily',
        'SUMMARY:Ada',
        'DTSTART:20260101T080000Z',
        'DTEND:20260101T200000Z',
        'RRULE:FREQ=DAILY',
        'EXDATE:20261125T080000Z',
      ),
      ...event(
        'UID:daily',
        'RECURRENCE-ID:20261126T080000Z',
        'SUMMARY:Ben',
        'DTSTART:20261126T090000Z',
        'DTEND:20261126T200000Z',
      ),
      ...event('UID:nights', 'SUMMARY:Cleo', 'DTSTART:20261124T200000Z', 'DURATION:PT12H', 'RRULE:FREQ=DAILY;COUNT=3'),
    );
    expect(shifts(text, '2026-11-24T09:00:00Z', '2026-11-27T08:00:00Z')).toEqual([
      'Ada 2026-11-24T08:00:00.000Z 2026-11-24T20:00:00.000Z',
      'Ben 2026-11-26T09:00:00.000Z 2026-11-26T20:00:00.000Z',
      'Cleo 2026-11-24T20:00:00.000Z 2026-11-25T08:00:00.000Z',
      'Cleo 2026-11-25T20:00:00.000Z 2026-11-26T08:00:00.000Z',
      'Cleo 2026-11-26T20:00:00.000Z 2026-11-27T08:00:00.000Z',
    ]);
  });

  it("takes a zone's summer time into account", () => {
    const weekly = event(
      'UID:1',
      'SUMMARY:Ada',
      'DTSTART;TZID=Europe/Berlin:20260701T090000',
      'DURATION:P7D',
      'RRULE:FREQ=WEEKLY',
    );
    const text = calendar(...BERLIN, ...weekly);
    expect(shifts(text, '2026-07-01T07:00:00Z', '2026-07-01T08:00:00Z')[0]).toContain('2026-07-01T07:00:00.000Z');
    expect(shifts(text, '2026-12-02T09:00:00Z', '2026-12-02T10:00:00Z')[0]).toContain('2026-12-02T08:00:00.000Z');
  });

  it.each([
    [
      'a time without a zone',
      ['DTSTART:20261124T080000', 'DTEND:20261124T200000'],
      /"Ada" has the time .* without a zone/,
    ],
    ['a zone that it does not describe', ['DTSTART;TZID=Mars/Base:20261124T080000', 'DURATION:PT1H'], /without a zone/],
    ['whole days', ['DTSTART;VALUE=DATE:20261124', 'DTEND;VALUE=DATE:20261125'], /without a zone/],
    ['no begin', ['DURATION:PT1H'], /"Ada" has no DTSTART/],
    ['a turn each second', ['DTSTART:20200101T000000Z', 'DURATION:PT1S', 'RRULE:FREQ=SECONDLY'], /repeats too often/],
  ])('is refused with %s', (_name, lines, message) => {
    const text = calendar(...event('UID:1', 'SUMMARY:Ada', ...lines));
    expect(() => shifts(text, '2026-11-24T00:00:00Z', '2026-11-25T00:00:00Z')).toThrow(message);
  });

  it('is refused when it is none', () => {
    expect(() => shifts('<html>', '2026-11-24T00:00:00Z', '2026-11-25T00:00:00Z')).toThrow(
      'calendar.ics is no iCalendar (RFC 5545)',
    );
  });
});

describe('a calendar at its secret address', () => {
  async function serve(status: number, body: string): Promise<string> {
    const server = createServer((_request, response) => void response.writeHead(status).end(body)).listen(
      0,
      '127.0.0.1',
    );
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const address = server.address();
    return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/private-9f8e7d/basic.ics`;
  }

  it('is read there', async () => {
    const text = calendar(...event('UID:1', 'SUMMARY:Ada', 'DTSTART:20261124T080000Z', 'DURATION:PT12H'));
    const { shifts } = createCalendarAddress(await serve(200, text));
    expect(await shifts(at('2026-11-24T09:00:00Z'), at('2026-11-24T10:00:00Z'))).toMatchObject([{ person: 'Ada' }]);
  });

  it.each([
    ['refuses', 403, 'no /private-9f8e7d/basic.ics for you'],
    ['answers with a page', 200, '<html>'],
  ])('is not shown in the error when its server %s', async (_name, status, body) => {
    const { shifts } = createCalendarAddress(await serve(status, body));
    const error = await shifts(0, 1).catch((error: unknown) => error);
    expect(String(error)).toContain('calendar');
    expect(String(error)).not.toContain('private-9f8e7d');
  });
});
