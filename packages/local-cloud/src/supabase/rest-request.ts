import type { IncomingMessage } from 'node:http';
import { notHere, RestRefusal } from './rest-refusal.ts';

/** What a request's headers ask for beside its query. */
export interface Wishes {
  /** Whether one object is wanted, and not an array. */
  readonly single: boolean;
  readonly representation: boolean;
  readonly count: boolean;
  readonly resolution: 'merge-duplicates' | 'ignore-duplicates' | null;
}

/** Throws `RestRefusal` for what is asked for and not done here. */
export function wishesOf({ headers }: IncomingMessage): Wishes {
  const prefer = new Map(
    String(headers['prefer'] ?? '')
      .split(',')
      .map((one) => one.trim().split('='))
      .map(([name = '', value = '']) => [name, value]),
  );
  for (const name of ['tx', 'max-affected', 'timezone'])
    if (prefer.has(name)) throw notHere(`Prefer: ${name}=${prefer.get(name)}`);
  if (prefer.get('missing') === 'default') throw notHere('Prefer: missing=default');
  for (const name of ['accept-profile', 'content-profile'])
    if ((headers[name] ?? 'public') !== 'public')
      throw new RestRefusal(406, 'PGRST106', 'The schema must be one of the following: public');
  const accept = String(headers.accept ?? '*/*');
  const single = accept.startsWith('application/vnd.pgrst.object+json');
  if (!single && !/application\/json|application\/\*|\*\/\*/.test(accept)) throw notHere(`Accept: ${accept}`);
  if (headers.range !== undefined && headers['range-unit'] !== undefined) throw notHere('Range header');
  const resolution = prefer.get('resolution');
  return {
    single,
    representation: prefer.get('return') === 'representation',
    // `planned` and `estimated` may be off; an exact count is one of the answers that they may give.
    count: prefer.has('count'),
    resolution: resolution === 'merge-duplicates' || resolution === 'ignore-duplicates' ? resolution : null,
  };
}

/** The rows of a body, all with the same columns. Throws `RestRefusal`. */
export function rowsOf(body: unknown, query: URLSearchParams): { rows: unknown[]; columns: string[] } {
  const rows: unknown[] = Array.isArray(body) ? body : [body];
  const isRow = (row: unknown): row is Record<string, unknown> =>
    typeof row === 'object' && row !== null && !Array.isArray(row);
  if (!rows.every(isRow)) throw new RestRefusal(400, 'PGRST102', 'Empty or invalid json');
  const told = query.get('columns');
  if (told !== null) return { rows, columns: told.split(',').map((one) => one.trim().replaceAll(/^"|"$/g, '')) };
  const keys = rows.map((row) => Object.keys(row).toSorted().join('\n'));
  if (new Set(keys).size > 1) throw new RestRefusal(400, 'PGRST102', 'All object keys must match');
  return { rows, columns: rows[0] === undefined ? [] : Object.keys(rows[0]) };
}
