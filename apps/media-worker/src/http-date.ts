const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const MONTH = MONTHS.join('|');
const DAY = 'Mon|Tue|Wed|Thu|Fri|Sat|Sun';
const DAY_LONG = 'Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday';
const TIME = String.raw`(?<hour>\d{2}):(?<minute>\d{2}):(?<second>\d{2})`;
/** RFC 9110 §5.6.7, case-sensitive as it says: IMF-fixdate, and the two obsolete forms that a recipient must take. */
const FORMS = [
  String.raw`(?:${DAY}), (?<day>\d{2}) (?<month>${MONTH}) (?<year>\d{4}) ${TIME} GMT`,
  String.raw`(?:${DAY_LONG}), (?<day>\d{2})-(?<month>${MONTH})-(?<shortYear>\d{2}) ${TIME} GMT`,
  String.raw`(?:${DAY}) (?<month>${MONTH}) (?<day>\d{2}| \d) ${TIME} (?<year>\d{4})`,
].map((form) => new RegExp(`^${form}$`));

/** RFC 9110 §5.6.7: a year of two digits that seems more than 50 years ahead is the last one in the past with them. */
function wholeYear(shortYear: string, now: number): number {
  const thisYear = new Date(now).getUTCFullYear();
  const year = thisYear - (thisYear % 100) + Number(shortYear);
  return year > thisYear + 50 ? year - 100 : year;
}

/** An HTTP-date in whole seconds since the epoch; `null` for anything else, however much it looks like a date. */
export function parseHttpDate(text: string, now = Date.now()): number | null {
  const found = FORMS.map((form) => form.exec(text)?.groups).find((groups) => groups !== undefined);
  if (found === undefined) return null;
  const { day = '', month = '', year, shortYear = '', hour = '', minute = '', second = '' } = found;
  const date = new Date(0);
  // Not Date.UTC, which takes the years 0 to 99 for 1900 to 1999.
  date.setUTCFullYear(
    year === undefined ? wholeYear(shortYear, now) : Number(year),
    MONTHS.indexOf(month),
    Number(day),
  );
  // A day that its month does not have would be taken for one of the next.
  if (date.getUTCDate() !== Number(day)) return null;
  // A leap second has the number 60.
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return null;
  return date.getTime() / 1000 + Number(hour) * 3600 + Number(minute) * 60 + Number(second);
}
