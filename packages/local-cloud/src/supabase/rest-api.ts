import type { IncomingMessage, ServerResponse } from 'node:http';
import { escapeIdentifier, type Pool, type PoolClient } from 'pg';
import { readJson, sendJson } from './answer.ts';
import { asCaller, sqlState } from './caller-session.ts';
import { columnsOf, createParameters, orderOf, whereOf, windowOf, type Parameters } from './rest-filters.ts';
import { RestRefusal } from './rest-refusal.ts';
import { rowsOf, wishesOf, type Wishes } from './rest-request.ts';
import { callFunction } from './rest-rpc.ts';
import type { Caller } from './tokens.ts';

interface Asked {
  readonly request: IncomingMessage;
  readonly query: URLSearchParams;
  readonly table: string;
  readonly wishes: Wishes;
  readonly client: PoolClient;
  /** Read before a connection is taken; `undefined` when it is no JSON. */
  readonly body: unknown;
}
interface Answer {
  readonly status: number;
  /** JSON text; `null` for no body. */
  readonly body: string | null;
  readonly headers?: Record<string, string>;
}

/** Runs a statement and has Postgres itself write its rows as JSON, as PostgREST does: a bigint is a number. */
async function asJson(client: PoolClient, statement: string, values: readonly unknown[]) {
  const { rows } = await client.query<{ body: string; count: number }>(
    `with result as (${statement}) select coalesce(json_agg(result), '[]')::text as body, count(*)::int as count from result`,
    [...values],
  );
  return rows[0] ?? { body: '[]', count: 0 };
}

/** One object where one is asked for; another number of rows is an error, and undoes what was done. */
function shaped(found: { body: string; count: number }, { single }: Wishes): string {
  if (!single) return found.body;
  if (found.count !== 1)
    throw new RestRefusal(
      406,
      'PGRST116',
      'JSON object requested, multiple (or no) rows returned',
      `The result contains ${found.count} rows`,
    );
  return found.body.slice(1, -1);
}

async function read({ request, query, table, wishes, client }: Asked): Promise<Answer> {
  const parameters = createParameters();
  const where = whereOf(query, table, parameters);
  const { limit, offset } = windowOf(query);
  const statement = `select ${columnsOf(query, table)} from ${table}${where}${orderOf(query, table)} limit ${limit} offset ${offset}`;
  const found = await asJson(client, statement, parameters.values);
  const body = shaped(found, wishes);
  let total: number | null = null;
  if (wishes.count) {
    const counted = await client.query<{ n: string }>(`select count(*) as n from ${table}${where}`, parameters.values);
    total = Number(counted.rows[0]?.n ?? 0);
  }
  if (total !== null && offset > total)
    throw new RestRefusal(
      416,
      'PGRST103',
      'Requested range not satisfiable',
      `An offset of ${offset} was requested, but there are only ${total} rows.`,
    );
  const range = found.count === 0 ? '*' : `${offset}-${offset + found.count - 1}`;
  return {
    status: total !== null && found.count < total ? 206 : 200,
    body: request.method === 'HEAD' ? null : body,
    headers: { 'content-range': `${range}/${total ?? '*'}` },
  };
}

/** Performs a statement that changes rows. RETURNING needs the right to read them: it is asked for only when wanted. */
async function change(asked: Asked, statement: string, { values }: Parameters, done: number): Promise<Answer> {
  const { query, table, wishes, client } = asked;
  const counted = (count: number | null): Record<string, string> =>
    wishes.count ? { 'content-range': `*/${count ?? 0}` } : {};
  if (!wishes.representation) {
    const { rowCount } = await client.query(statement, values);
    return { status: done === 200 ? 204 : done, body: null, headers: counted(rowCount) };
  }
  const found = await asJson(client, `${statement} returning ${columnsOf(query, table)}`, values);
  return { status: done, body: shaped(found, wishes), headers: counted(found.count) };
}

async function primaryKey(client: PoolClient, table: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select a.attname as name from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
     where i.indrelid = to_regclass($1) and i.indisprimary`,
    [table],
  );
  return rows.map((row) => row.name);
}

async function insert(asked: Asked): Promise<Answer> {
  const { query, table, wishes, client } = asked;
  const { rows, columns } = rowsOf(asked.body, query);
  const parameters = createParameters();
  const names = columns.map((name) => escapeIdentifier(name));
  const list = names.join(', ');
  let conflict = '';
  if (wishes.resolution !== null) {
    const told = query.get('on_conflict')?.split(',') ?? (await primaryKey(client, table));
    const target = told.map((name) => escapeIdentifier(name.trim())).join(', ');
    const update = names.map((name) => `${name} = excluded.${name}`).join(', ');
    conflict = ` on conflict (${target}) do ${wishes.resolution === 'merge-duplicates' ? `update set ${update}` : 'nothing'}`;
  }
  const source = `json_populate_recordset(null::${table}, ${parameters.add(JSON.stringify(rows))})`;
  const statement =
    names.length === 0
      ? `insert into ${table} default values`
      : `insert into ${table} (${list}) select ${list} from ${source}`;
  if (names.length === 0) parameters.values.length = 0;
  return change(asked, `${statement}${conflict}`, parameters, 201);
}

/** Supabase loads `safeupdate`: what would change every row is refused. */
function mustBeFiltered(where: string, verb: string): void {
  if (where === '') throw new RestRefusal(400, '21000', `${verb} requires a WHERE clause`);
}

async function update(asked: Asked): Promise<Answer> {
  const { query, table } = asked;
  const { rows, columns } = rowsOf(asked.body, query);
  const parameters = createParameters();
  const source = `json_populate_record(null::${table}, ${parameters.add(JSON.stringify(rows[0] ?? {}))})`;
  const where = whereOf(query, table, parameters);
  mustBeFiltered(where, 'UPDATE');
  const set = columns.map((name) => `${escapeIdentifier(name)} = told.${escapeIdentifier(name)}`).join(', ');
  return change(asked, `update ${table} set ${set} from ${source} as told${where}`, parameters, 200);
}

async function remove(asked: Asked): Promise<Answer> {
  const parameters = createParameters();
  const where = whereOf(asked.query, asked.table, parameters);
  mustBeFiltered(where, 'DELETE');
  return change(asked, `delete from ${asked.table}${where}`, parameters, 200);
}

const VERBS: Readonly<Record<string, (asked: Asked) => Promise<Answer>>> = {
  GET: read,
  HEAD: read,
  POST: insert,
  PATCH: update,
  DELETE: remove,
};

/** PostgREST's status for an error of the database (https://docs.postgrest.org/en/v12/references/errors.html#http-status-codes). */
function statusOf(code: string, caller: Caller): number {
  if (code === '42501') return caller.role === 'anon' ? 401 : 403;
  if (code === '23503' || code === '23505') return 409;
  if (code === '42P01' || code === '42883') return 404;
  return /^(22|23|42|21|P0001)/.test(code) ? 400 : 500;
}

/** The part of PostgREST that an app's tables need. Row Level Security decides, under the caller's role. */
export function createRestApi(pool: Pool) {
  return async (request: IncomingMessage, response: ServerResponse, url: URL, caller: Caller): Promise<void> => {
    try {
      const wishes = wishesOf(request);
      const path = decodeURIComponent(url.pathname.slice('/rest/v1/'.length));
      const query = url.searchParams;
      const name = path.startsWith('rpc/') ? path.slice('rpc/'.length) : null;
      const verb = VERBS[request.method ?? ''];
      if (verb === undefined || path === '' || (name === null && path.includes('/')))
        throw new RestRefusal(405, 'PGRST117', `Unsupported HTTP method: ${request.method} ${url.pathname}`);
      const table = `public.${escapeIdentifier(path)}`;
      const body = request.method === 'POST' || request.method === 'PATCH' ? await readJson(request) : undefined;
      const answer: Answer = await asCaller(pool, caller, (client) =>
        name === null
          ? verb({ request, query, table, wishes, client, body })
          : callFunction({ request, query, name, single: wishes.single, client, body }),
      );
      response.writeHead(answer.status, {
        ...answer.headers,
        ...(answer.body === null
          ? {}
          : {
              'content-type': 'application/json; charset=utf-8',
              'content-length': Buffer.byteLength(answer.body),
            }),
      });
      response.end(answer.body ?? undefined);
    } catch (error) {
      if (response.headersSent) throw error;
      const message = error instanceof Error ? error.message : String(error);
      if (error instanceof RestRefusal)
        return sendJson(response, error.status, { code: error.code, message, details: error.details, hint: null });
      const code = sqlState(error);
      sendJson(response, statusOf(code, caller), { code, message, details: null, hint: null });
    }
  };
}
