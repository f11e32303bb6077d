import { escapeIdentifier } from 'pg';
import { notHere, RestRefusal } from './rest-refusal.ts';

/** Operators of PostgREST that compare a column with one value (https://docs.postgrest.org/en/v12/references/api/tables_views.html#operators). */
const COMPARISONS: Readonly<Record<string, string>> = {
  eq: '=',
  neq: '<>',
  gt: '>',
  gte: '>=',
  lt: '<',
  lte: '<=',
  like: 'like',
  ilike: 'ilike',
  match: '~',
  imatch: '~*',
  isdistinct: 'is distinct from',
};
const CONSTANTS = new Set(['null', 'true', 'false', 'unknown', 'not_null']);
const unparsed = (text: string): RestRefusal =>
  new RestRefusal(400, 'PGRST100', `"failed to parse filter (${text})" (line 1, column 1)`);

/** Values that a statement carries beside its text. */
export interface Parameters {
  readonly values: unknown[];
  /** Adds one and returns its place, `$n`. */
  add(value: unknown): string;
}
export function createParameters(): Parameters {
  const values: unknown[] = [];
  return { values, add: (value) => `$${values.push(value)}` };
}

export function columnName(name: string): string {
  if (/->/.test(name)) throw notHere(`JSON path (${name})`);
  if (name.includes('.') || name.includes('(')) throw notHere(`filter or order over an embedded table (${name})`);
  return escapeIdentifier(name);
}

/** Parts between commas that stand in no parentheses and no quotes. */
export function splitList(text: string): string[] {
  const parts: string[] = [];
  let part = '';
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (quoted && char === '\\') part += char + text.charAt(++at);
    else {
      if (char === '"') quoted = !quoted;
      if (!quoted && char === '(') depth++;
      if (!quoted && char === ')') depth--;
      if (char === ',' && depth === 0 && !quoted) {
        parts.push(part);
        part = '';
      } else part += char;
    }
  }
  if (quoted || depth !== 0) throw unparsed(text);
  return [...parts, part];
}

const unquote = (text: string): string =>
  text.startsWith('"') && text.endsWith('"') && text.length > 1 ? text.slice(1, -1).replaceAll(/\\(.)/gs, '$1') : text;

function parenthesised(text: string): string {
  const inner = /^\((.*)\)$/s.exec(text.trim())?.[1];
  if (inner === undefined) throw unparsed(text);
  return inner;
}

/** One comparison, `OPERATOR.OPERAND`; within `or` and `and` an operand may stand in quotes. */
function comparison(column: string, text: string, parameters: Parameters, mayBeQuoted: boolean): string {
  const negated = text.startsWith('not.');
  const [, operator = '', operand = ''] = /^(\w+)\.(.*)$/s.exec(negated ? text.slice('not.'.length) : text) ?? [];
  const value = mayBeQuoted ? unquote(operand) : operand;
  const condition = (): string => {
    if (operator === 'is') {
      if (!CONSTANTS.has(value.toLowerCase())) throw unparsed(text);
      return `${column} is ${value.toLowerCase().replace('_', ' ')}`;
    }
    if (operator === 'in') {
      const inner = parenthesised(operand);
      return `${column} = any(${parameters.add(inner === '' ? [] : splitList(inner).map(unquote))})`;
    }
    const sql = COMPARISONS[operator];
    if (sql === undefined) {
      if (/^(cs|cd|ov|sl|sr|nxr|nxl|adj|fts|plfts|phfts|wfts|like\(|all|any)/.test(operator))
        throw notHere(`operator ${operator}`);
      throw unparsed(text);
    }
    return `${column} ${sql} ${parameters.add(operator.endsWith('like') ? value.replaceAll('*', '%') : value)}`;
  };
  return negated ? `not (${condition()})` : condition();
}

/** `and(…)`, `or(…)`, `not.and(…)`, `not.or(…)` or `COLUMN.OPERATOR.OPERAND`, within a list of such. */
function member(text: string, table: string, parameters: Parameters): string {
  const [, not = '', junction, inner] = /^(not\.)?(and|or)(\(.*\))$/s.exec(text.trim()) ?? [];
  if (junction !== undefined && inner !== undefined) return group(not, junction, inner, table, parameters);
  const [, name, rest] = /^("(?:[^"\\]|\\.)*"|[^.]+)\.(.*)$/s.exec(text.trim()) ?? [];
  if (name === undefined || rest === undefined) throw unparsed(text);
  return comparison(`${table}.${columnName(unquote(name))}`, rest, parameters, true);
}

function group(not: string, junction: string, list: string, table: string, parameters: Parameters): string {
  const members = splitList(parenthesised(list)).map((one) => member(one, table, parameters));
  return `${not === '' ? '' : 'not '}(${members.join(` ${junction} `)})`;
}

/** Parameters of the query that filter no column. */
const OTHERS = new Set(['select', 'order', 'limit', 'offset', 'columns', 'on_conflict']);

/** The conditions of a query, all of which must hold; '' when there are none. Throws `RestRefusal`. */
export function whereOf(query: URLSearchParams, table: string, parameters: Parameters): string {
  const conditions: string[] = [];
  for (const [name, value] of query) {
    if (OTHERS.has(name)) continue;
    const [, not = '', junction] = /^(not\.)?(and|or)$/.exec(name) ?? [];
    conditions.push(
      junction === undefined
        ? comparison(`${table}.${columnName(name)}`, value, parameters, false)
        : group(not, junction, value, table, parameters),
    );
  }
  return conditions.length === 0 ? '' : ` where ${conditions.join(' and ')}`;
}

/** `order=COLUMN[.asc|.desc][.nullsfirst|.nullslast],…`; '' when there is none. */
export function orderOf(query: URLSearchParams, table: string): string {
  const terms = query.getAll('order').flatMap((one) => one.split(','));
  if (terms.length === 0) return '';
  const sql = terms.map((term) => {
    const [, name, direction = 'asc', nulls] = /^(.+?)(?:\.(asc|desc))?(?:\.(nullsfirst|nullslast))?$/.exec(term) ?? [];
    if (name === undefined) throw new RestRefusal(400, 'PGRST100', `"failed to parse order (${term})"`);
    const last = nulls === undefined ? '' : ` nulls ${nulls.slice('nulls'.length)}`;
    return `${table}.${columnName(name)} ${direction}${last}`;
  });
  return ` order by ${sql.join(', ')}`;
}

/** `select=*`, columns, and columns under another name or type. */
export function columnsOf(query: URLSearchParams, table: string): string {
  const asked = (query.get('select') ?? '*').trim();
  if (asked === '' || asked === '*') return `${table}.*`;
  return splitList(asked)
    .map((part) => {
      const text = part.trim();
      if (text === '*') return `${table}.*`;
      if (text.includes('(')) throw notHere(`embedded table or aggregate in select (${text})`);
      const [, alias, name = '', cast] = /^(?:([^:]+):(?!:))?([^:]+)(?:::(\w+))?$/.exec(text) ?? [];
      const value = `${table}.${columnName(unquote(name))}${cast === undefined ? '' : `::${escapeIdentifier(cast)}`}`;
      return `${value} as ${escapeIdentifier(alias ?? unquote(name))}`;
    })
    .join(', ');
}

/** Whole numbers of `limit` and `offset`; at most 1,000 rows are answered (`db-max-rows` of a hosted project). */
export function windowOf(query: URLSearchParams): { limit: number; offset: number } {
  const read = (name: string, otherwise: number): number => {
    const told = query.get(name);
    if (told === null) return otherwise;
    if (!/^\d+$/.test(told)) throw new RestRefusal(400, 'PGRST100', `"failed to parse ${name} parameter (${told})"`);
    return Number(told);
  };
  return { limit: Math.min(read('limit', MOST_ROWS), MOST_ROWS), offset: read('offset', 0) };
}
const MOST_ROWS = 1000;
