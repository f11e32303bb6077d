import * as v from 'valibot';
import { readPlanFile } from '../../rollout/plan-file.ts';
import type { OnCallProvider, Shift } from '../providers.ts';

const HOUR_MS = 3600_000;
const time = v.pipe(
  v.string(),
  v.isoTimestamp('expected a time with its zone, such as 2026-11-24T08:00:00Z'),
  v.transform((text) => Date.parse(text)),
);
const person = v.pipe(v.string(), v.minLength(1, 'expected a name'));

const scheduleFile = v.strictObject({
  shifts: v.optional(
    v.array(
      v.pipe(
        v.strictObject({ person, from: time, until: time }),
        v.check(({ from, until }) => from < until, 'expected a shift that ends after it begins'),
      ),
    ),
    [],
  ),
  /** Each person in turn, over and over. */
  rotation: v.optional(
    v.strictObject({
      from: time,
      turnHours: v.pipe(v.number(), v.minValue(1, 'expected at least an hour')),
      people: v.pipe(v.array(person), v.minLength(1, 'expected at least one person')),
    }),
  ),
});

/** The team's own file: single shifts, which come first, and a rotation. */
export function createScheduleFile(file: string): OnCallProvider {
  return {
    place: file,
    async shifts(from, until) {
      const { shifts, rotation } = await readPlanFile(file, scheduleFile);
      const turns = rotation === undefined ? [] : turnsOf(rotation, from, until);
      return [...shifts.filter((shift) => shift.from < until && shift.until > from), ...turns];
    },
  };
}

function turnsOf(
  rotation: { from: number; turnHours: number; people: readonly string[] },
  from: number,
  until: number,
): Shift[] {
  const turnMs = rotation.turnHours * HOUR_MS;
  const turns: Shift[] = [];
  for (let turn = Math.max(0, Math.floor((from - rotation.from) / turnMs)); ; turn++) {
    const begins = rotation.from + turn * turnMs;
    const person = rotation.people[turn % rotation.people.length];
    if (begins >= until || person === undefined) return turns;
    turns.push({ person, from: begins, until: begins + turnMs });
  }
}
