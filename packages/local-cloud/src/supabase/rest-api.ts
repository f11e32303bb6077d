import type { IncomingMessage, ServerResponse } from 'node:http';
import { escapeIdentifier, type Pool, type PoolClient } from 'pg';
import { readJson, sendJson } from './answer.ts';
import type { Caller } from './tokens.ts';

/** Tables that the legacy app reads and writes, with their columns. */
const TABLES: Readonly<Record<string, readonly string[]>> = {
  library_tracks: [
    'id',
    'title',
    'file_url',
    'file_key',
    'preview_key',
    'is_pro_only',
    'content_hash',
    'size_bytes',
    'content_type',
  ],
  uploads: ['id', 'user_id', 'file_url', 'file_key', 'title', 'content_type', 'size_bytes', 'created_at', 'updated_at'],
  profiles: ['id', 'tier'],
};

class BadRequest extends Error {}

function columnsOf(table: string, names: readonly string[]): string {
  const known = TABLES[table] ?? [];
  for (const name of names) if (!known.includes(name)) throw new BadRequest(`column ${table}.${name} does not exist`);
  return names.map((name) => escapeIdentifier(name)).join(', ');
}

/** The sliver of PostgREST that the legacy app uses. Row Level Security decides, under the caller's role. */
export function createRestApi(pool: Pool) {
  async function asCaller<Result>(caller: Caller, work: (client: PoolClient) => Promise<Result>): Promise<Result> {
    const client = await pool.connect();
    try {
      await client.query('begin');
      await client.query(`set local role ${escapeIdentifier(caller.role)}`);
      await client.query(`select set_config('request.jwt.claims', $1, true)`, [JSON.stringify(caller.claims)]);
      const result = await work(client);
      await client.query('commit');
      return result;
    } catch (error) {
      await client.query('rollback');
      throw error;
    } finally {
      client.release();
    }
  }

  return async (request: IncomingMessage, response: ServerResponse, url: URL, caller: Caller): Promise<void> => {
    const table = url.pathname.slice('/rest/v1/'.length);
    if (TABLES[table] === undefined)
      return sendJson(response, 404, { code: '42P01', message: `relation "public.${table}" does not exist` });
    const values: unknown[] = [];
    try {
      const filters: string[] = [];
      for (const [name, value] of url.searchParams) {
        if (['select', 'limit', 'order', 'columns', 'on_conflict'].includes(name)) continue;
        const operand = /^eq\.(.*)$/s.exec(value)?.[1];
        if (operand === undefined) throw new BadRequest(`"failed to parse filter (${value})"`);
        values.push(operand);
        filters.push(`${columnsOf(table, [name])} = $${values.length}`);
      }
      const where = filters.length === 0 ? '' : ` where ${filters.join(' and ')}`;
      const name = escapeIdentifier(table);
      const returning = /return=representation/.test(String(request.headers['prefer'] ?? ''));
      if (request.method === 'GET') {
        const select = url.searchParams.get('select') ?? '*';
        const columns =
          select === '*'
            ? '*'
            : columnsOf(
                table,
                select.split(',').map((one) => one.trim()),
              );
        const limit = Math.min(Number(url.searchParams.get('limit') ?? 1000), 1000);
        const rows = await asCaller(caller, (client) =>
          client.query(
            `select ${columns} from ${name}${where} limit ${Number.isInteger(limit) ? limit : 1000}`,
            values,
          ),
        );
        return sendJson(response, 200, rows.rows);
      }
      if (request.method === 'POST') {
        const body = await readJson(request);
        const rows = (Array.isArray(body) ? body : [body]).filter(
          (row): row is Record<string, unknown> => typeof row === 'object' && row !== null,
        );
        if (rows.length === 0) throw new BadRequest('Empty or invalid json');
        const inserted = await asCaller(caller, async (client) => {
          const made: unknown[] = [];
          for (const row of rows) {
            const names = Object.keys(row);
            const places = names.map((_, index) => `$${index + 1}`).join(', ');
            // RETURNING needs the right to read the row; without `return=representation` it is not asked for.
            const result = await client.query(
              `insert into ${name} (${columnsOf(table, names)}) values (${places})${returning ? ' returning *' : ''}`,
              Object.values(row),
            );
            made.push(...result.rows);
          }
          return made;
        });
        return returning ? sendJson(response, 201, inserted) : void response.writeHead(201).end();
      }
      if (request.method === 'DELETE' && filters.length > 0) {
        await asCaller(caller, (client) => client.query(`delete from ${name}${where}`, values));
        return void response.writeHead(204).end();
      }
      return sendJson(response, 405, { message: 'Method not allowed' });
    } catch (error) {
      if (error instanceof BadRequest)
        return sendJson(response, 400, { code: 'PGRST100', message: error.message, details: null, hint: null });
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'XX000';
      // 42501: the role may not, or a policy refused the row.
      const status =
        code === '42501' ? 403 : code === '23505' ? 409 : code.startsWith('22') || code.startsWith('23') ? 400 : 500;
      return sendJson(response, status, {
        code,
        message: error instanceof Error ? error.message : 'error',
        details: null,
        hint: null,
      });
    }
  };
}
