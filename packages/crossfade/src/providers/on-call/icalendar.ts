import ICAL from 'ical.js';
import { errorText } from '../../rollout/error-text.ts';
import { PlanFileError, readPlanText } from '../../rollout/plan-file.ts';
import { exchange, refusal, type Call } from '../http/exchange.ts';
import type { OnCallProvider, Shift } from '../providers.ts';
import { retrying } from '../retry.ts';

const TIMEOUT_MS = 10_000;
/** A calendar that repeats more often than this before the time asked for is a mistake: each second since 2000. */
const MOST_OCCURRENCES = 100_000;

/** A calendar file of the team's: one event for each turn, whose title is the person's name. */
export function createCalendarFile(file: string): OnCallProvider {
  return {
    place: file,
    shifts: async (from, until) => readShifts(file, await readPlanText(file), from, until),
  };
}

/** A calendar at its secret address, as calendar services give it out. Errors do not show the address. */
export function createCalendarAddress(secretUrl: string): OnCallProvider {
  const { host, pathname, search } = new URL(secretUrl);
  const place = `the calendar at ${host}`;
  const call: Call = {
    provider: 'on-call calendar',
    operation: 'read',
    method: 'GET',
    url: secretUrl,
    headers: { accept: 'text/calendar' },
    timeoutMs: TIMEOUT_MS,
    secrets: [secretUrl, pathname + search, pathname.slice(1)],
  };
  return {
    place,
    async shifts(from, until) {
      const answer = await retrying(async () => {
        const answer = await exchange(call);
        if (answer.status !== 200) throw refusal(call, answer, { code: null, message: 'no calendar was given' });
        return answer;
      });
      return readShifts(place, answer.text, from, until);
    },
  };
}

/** Turns of an RFC 5545 calendar that touch the time (epoch ms). @throws PlanFileError */
export function readShifts(place: string, text: string, from: number, until: number): Shift[] {
  let events: ICAL.Component[];
  try {
    events = new ICAL.Component(ICAL.parse(text)).getAllSubcomponents('vevent');
  } catch (error) {
    throw new PlanFileError(`${place} is no iCalendar (RFC 5545): ${errorText(error)}`);
  }
  const changed = events.filter((event) => event.hasProperty('recurrence-id'));
  return events
    .filter((event) => !event.hasProperty('recurrence-id'))
    .flatMap((component) => {
      const uid = component.getFirstPropertyValue('uid');
      // Left alone, the library would take any event's changed occurrences for this one's.
      const exceptions = changed.filter((one) => one.getFirstPropertyValue('uid') === uid);
      return occurrences(place, new ICAL.Event(component, { exceptions }), from, until);
    });
}

function occurrences(place: string, event: ICAL.Event, from: number, until: number): Shift[] {
  const first = event.startDate;
  if (first === null) throw new PlanFileError(`${place}: the event ${JSON.stringify(event.summary)} has no DTSTART`);
  if (!event.isRecurring()) return turn(place, event, first, event.endDate, from, until);
  const shifts: Shift[] = [];
  const iterator = event.iterator();
  for (let seen = 0; seen < MOST_OCCURRENCES; seen++) {
    const next = iterator.next();
    if (next === null || next === undefined || epochMs(place, event, next) >= until) return shifts;
    const { item, startDate, endDate } = event.getOccurrenceDetails(next);
    shifts.push(...turn(place, item, startDate, endDate, from, until));
  }
  throw new PlanFileError(`${place}: the event ${JSON.stringify(event.summary)} repeats too often`);
}

function turn(
  place: string,
  event: ICAL.Event,
  start: ICAL.Time,
  end: ICAL.Time,
  from: number,
  until: number,
): Shift[] {
  if (event.component.getFirstPropertyValue('status') === 'CANCELLED') return [];
  const shift = { person: event.summary, from: epochMs(place, event, start), until: epochMs(place, event, end) };
  return shift.from < until && shift.until > from ? [shift] : [];
}

/** Who covers which minute cannot be told from a time without a zone, or from a whole day. */
function epochMs(place: string, event: ICAL.Event, time: ICAL.Time): number {
  if (time.isDate || time.zone === ICAL.Timezone.localTimezone) {
    throw new PlanFileError(
      `${place}: the event ${JSON.stringify(event.summary)} has the time ${time.toString()} without a zone; give hours in UTC, or with a TZID whose VTIMEZONE is in the calendar`,
    );
  }
  return time.toJSDate().getTime();
}
