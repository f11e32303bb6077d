import type { IncomingMessage } from 'node:http';
import { escapeIdentifier, type PoolClient } from 'pg';
import { RestRefusal } from './rest-refusal.ts';

interface Called {
  readonly request: IncomingMessage;
  readonly query: URLSearchParams;
  readonly name: string;
  readonly single: boolean;
  readonly client: PoolClient;
  readonly body: unknown;
}

function argumentsOf(body: unknown): Map<string, unknown> {
  if (body === undefined) return new Map();
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new RestRefusal(400, 'PGRST102', 'Empty or invalid json');
  return new Map(Object.entries(body));
}

/** Text as Postgres reads it for whatever type the argument has. */
function toText(value: unknown): unknown {
  if (value === null || typeof value === 'string' || Array.isArray(value)) return value;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** `/rpc/NAME`: a function of the schema `public`, called with named arguments. Throws `RestRefusal`. */
export async function callFunction(called: Called): Promise<{ status: number; body: string | null }> {
  const { request, query, name, single, client } = called;
  const given = request.method === 'POST' ? argumentsOf(called.body) : new Map<string, unknown>(query);
  if (request.method === 'POST') for (const told of query.keys()) throw unfiltered(told);
  const { rows } = await client.query<{ names: string[] | null; set: boolean; type: string }>(
    `select proargnames[1:pronargs] as names, proretset as set, prorettype::regtype::text as type
     from pg_proc where pronamespace = 'public'::regnamespace and proname = $1`,
    [name],
  );
  const found = rows.find(({ names }) => [...given.keys()].every((one) => names?.includes(one) === true));
  if (found === undefined) {
    const signature = `public.${name}(${[...given.keys()].toSorted().join(', ')})`;
    throw new RestRefusal(404, 'PGRST202', `Could not find the function ${signature} in the schema cache`);
  }
  const list = [...given.keys()].map((one, index) => `${escapeIdentifier(one)} => $${index + 1}`).join(', ');
  const call = `public.${escapeIdentifier(name)}(${list})`;
  const values = [...given.values()].map(toText);
  if (found.type === 'void') {
    await client.query(`select ${call}`, values);
    return { status: 204, body: null };
  }
  const result = await client.query<{ body: string }>(
    `select to_json(result)::text as body from ${call} as result`,
    values,
  );
  const bodies = result.rows.map((row) => row.body ?? 'null');
  if (!found.set) return { status: 200, body: bodies[0] ?? 'null' };
  if (single && bodies.length !== 1)
    throw new RestRefusal(
      406,
      'PGRST116',
      'JSON object requested, multiple (or no) rows returned',
      `The result contains ${bodies.length} rows`,
    );
  return { status: 200, body: single ? (bodies[0] ?? 'null') : `[${bodies.join(',')}]` };
}

/** What narrows or sorts a function's rows is not done here, and so refused. */
function unfiltered(name: string): RestRefusal {
  return new RestRefusal(501, 'NOT_IN_LOCAL_CLOUD', `the local cloud's REST API has no ${name} on a function`);
}
