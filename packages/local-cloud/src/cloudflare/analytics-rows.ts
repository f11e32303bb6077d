import { GraphqlError } from './graphql-query.ts';
import type { GraphqlField, GraphqlValue } from './graphql-query.ts';

export type Dimension = string | number;

/** One event (or sample) of a dataset. */
export interface AnalyticsRow {
  /** Epoch ms. */
  readonly at: number;
  readonly dimensions: Readonly<Record<string, Dimension>>;
}

/** What can be selected beside the dimensions: `count`, or a group such as `sum` with its fields. */
export type Aggregates<Row> = Readonly<
  Record<string, ((rows: readonly Row[]) => number) | Readonly<Record<string, (rows: readonly Row[]) => number | null>>>
>;

export interface TimeWindow {
  /** Epoch ms, both inclusive. */
  readonly since: number;
  readonly until: number;
}

const minute = 60_000;
const bucketsOfTime: Readonly<Record<string, number>> = {
  datetime: 1000,
  datetimeMinute: minute,
  datetimeFiveMinutes: 5 * minute,
  datetimeFifteenMinutes: 15 * minute,
  datetimeHour: 60 * minute,
};
const mostRows = 10_000;

/** The span that a dataset's filter names, so that a source need not hand over everything it ever saw. */
export function windowOf(filter: GraphqlValue | undefined, now: number): TimeWindow {
  const { datetime_geq: geq, datetime_gt: gt, datetime_leq: leq, datetime_lt: lt } = asObject(filter);
  const since = geq ?? gt;
  const until = leq ?? lt;
  return { since: since == null ? 0 : time(since), until: until == null ? now : time(until) };
}

/** The text that a filter asks one dimension to be, where it asks so. */
export function equalTo(filter: GraphqlValue | undefined, dimension: string): string | undefined {
  const value = asObject(filter)[dimension];
  return typeof value === 'string' ? value : undefined;
}

/** Filters, groups by the selected dimensions, orders and limits, as one dataset field asks. Throws `GraphqlError`. */
export function answerDataset<Row extends AnalyticsRow>(
  field: GraphqlField,
  rows: readonly Row[],
  known: readonly string[],
  aggregates: Aggregates<Row>,
): object[] {
  const { filter, limit, orderBy, ...rest } = field.args;
  const stray = Object.keys(rest)[0];
  if (stray !== undefined) throw new GraphqlError(`unknown arg "${stray}"`);
  if (limit !== undefined && (typeof limit !== 'number' || limit < 1 || limit > mostRows)) {
    throw new GraphqlError(`limit must be between 1 and ${mostRows}`);
  }
  const selected = checkSelection(field, known, aggregates);
  const conditions = Object.entries(asObject(filter)).map(([key, value]) => condition(key, value, known));
  const orders = orderTerms(orderBy);
  // What is ordered by has to be in the group, selected or not.
  const grouped = new Set([...selected, ...orders.map((one) => one.field).filter((one) => isDimension(one, known))]);
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    if (!conditions.every((holds) => holds(row))) continue;
    const key = JSON.stringify([...grouped].map((name) => dimensionOf(row, name)));
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  const ordered = [...groups.values()].sort((a, b) => compareGroups(orders, a, b, known, aggregates));
  return ordered.slice(0, limit ?? mostRows).map((group) => shownGroup(field, group, aggregates));
}

function shownGroup<Row extends AnalyticsRow>(
  field: GraphqlField,
  group: readonly Row[],
  aggregates: Aggregates<Row>,
): object {
  const shown: Record<string, unknown> = {};
  for (const part of field.fields) {
    if (part.name === 'dimensions') {
      const first = group[0];
      shown[part.alias] = Object.fromEntries(
        part.fields.map((one) => [one.alias, first === undefined ? null : dimensionOf(first, one.name)]),
      );
      continue;
    }
    const aggregate = aggregates[part.name];
    shown[part.alias] =
      typeof aggregate === 'function'
        ? aggregate(group)
        : Object.fromEntries(part.fields.map((one) => [one.alias, aggregate?.[one.name]?.(group) ?? null]));
  }
  return shown;
}

/** Refuses what the dataset does not have, whether or not a row matches; answers the selected dimensions. */
function checkSelection<Row>(field: GraphqlField, known: readonly string[], aggregates: Aggregates<Row>): string[] {
  const selected: string[] = [];
  if (field.fields.length === 0) throw new GraphqlError(`field "${field.name}" needs a selection`);
  for (const part of field.fields) {
    const names = part.fields.map((one) => one.name);
    const aggregate = aggregates[part.name];
    const isGroup = part.name === 'dimensions' || typeof aggregate === 'object';
    if (!isGroup && aggregate === undefined) throw new GraphqlError(`unknown field "${part.name}"`);
    if (isGroup !== names.length > 0) throw new GraphqlError(`the selection under "${part.name}" does not fit it`);
    const isKnown = (name: string) =>
      part.name === 'dimensions' ? isDimension(name, known) : typeof aggregate === 'object' && name in aggregate;
    const stray = names.find((name) => !isKnown(name));
    if (stray !== undefined) throw new GraphqlError(`unknown field "${stray}"`);
    if (part.name === 'dimensions') selected.push(...names);
  }
  return selected;
}

function condition(key: string, value: GraphqlValue, known: readonly string[]): (row: AnalyticsRow) => boolean {
  const [, name = key, operator = 'eq'] = /^(.+?)_(geq|gt|leq|lt|neq|in)$/.exec(key) ?? [];
  if (!isDimension(name, known)) throw new GraphqlError(`unknown field "${key}" in the filter`);
  const isTime = name in bucketsOfTime;
  const comparable = (one: GraphqlValue): Dimension => {
    if (isTime) return time(one);
    if (typeof one === 'string' || typeof one === 'number') return one;
    throw new GraphqlError(`filter "${key}" needs a text or a number`);
  };
  if (operator === 'in') {
    if (!Array.isArray(value)) throw new GraphqlError(`filter "${key}" needs a list`);
    const wanted = new Set(value.map(comparable));
    return (row) => wanted.has(exactDimension(row, name));
  }
  const wanted = comparable(value);
  return (row) => {
    const found = exactDimension(row, name);
    if (operator === 'geq') return found >= wanted;
    if (operator === 'gt') return found > wanted;
    if (operator === 'leq') return found <= wanted;
    if (operator === 'lt') return found < wanted;
    return operator === 'neq' ? found !== wanted : found === wanted;
  };
}

/** For filters: a time to the ms, so that a window's edge within a second is kept. */
function exactDimension(row: AnalyticsRow, name: string): Dimension {
  if (name === 'datetime') return row.at;
  const width = bucketsOfTime[name];
  return width === undefined ? dimensionOf(row, name) : Math.floor(row.at / width) * width;
}

function dimensionOf(row: AnalyticsRow, name: string): Dimension {
  if (name === 'date') return new Date(row.at).toISOString().slice(0, 10);
  const width = bucketsOfTime[name];
  if (width === undefined) return row.dimensions[name] ?? '';
  return new Date(Math.floor(row.at / width) * width).toISOString().replace('.000Z', 'Z');
}

function isDimension(name: string, known: readonly string[]): boolean {
  return name === 'date' || name in bucketsOfTime || known.includes(name);
}

interface OrderTerm {
  readonly field: string;
  readonly sign: 1 | -1;
}

function orderTerms(orderBy: GraphqlValue | undefined): readonly OrderTerm[] {
  const terms = orderBy === undefined ? [] : Array.isArray(orderBy) ? orderBy : [orderBy];
  return terms.map((term) => {
    const [, field, direction] = /^(\w+)_(ASC|DESC)$/.exec(String(term)) ?? [];
    if (field === undefined) throw new GraphqlError(`unknown order "${String(term)}"`);
    return { field, sign: direction === 'DESC' ? -1 : 1 };
  });
}

function compareGroups<Row extends AnalyticsRow>(
  orders: readonly OrderTerm[],
  a: readonly Row[],
  b: readonly Row[],
  known: readonly string[],
  aggregates: Aggregates<Row>,
): number {
  for (const { field, sign } of orders) {
    const [left, right] = [a, b].map((group) => orderValue(field, group, known, aggregates));
    if (left === undefined || right === undefined || left === right) continue;
    return left < right ? -sign : sign;
  }
  return 0;
}

/** `datetime`, `count` or `sum_requests`. */
function orderValue<Row extends AnalyticsRow>(
  field: string,
  group: readonly Row[],
  known: readonly string[],
  aggregates: Aggregates<Row>,
): Dimension | undefined {
  const first = group[0];
  if (isDimension(field, known)) return first === undefined ? undefined : dimensionOf(first, field);
  const [, outer = field, inner = ''] = /^([a-z]+)_(\w+)$/.exec(field) ?? [];
  const aggregate = aggregates[outer];
  const value = typeof aggregate === 'function' ? aggregate(group) : aggregate?.[inner]?.(group);
  if (value === undefined) throw new GraphqlError(`unknown order "${field}"`);
  return value ?? 0;
}

function time(value: GraphqlValue): number {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(ms)) throw new GraphqlError(`"${String(value)}" is no time`);
  return ms;
}

function asObject(value: GraphqlValue | undefined): Readonly<Record<string, GraphqlValue>> {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value)) throw new GraphqlError('a filter must be an object');
  return Object.fromEntries(Object.entries(value));
}
