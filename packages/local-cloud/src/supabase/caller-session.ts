import { escapeIdentifier, type Pool, type PoolClient } from 'pg';
import type { Caller } from './tokens.ts';

/** Whose rights a statement has: a caller's, or those of the server itself, which no policy stops. */
export type Who = Caller | 'server';

/** Does the work in one transaction under the caller's role, so that Row Level Security decides. */
export async function asCaller<Result>(
  pool: Pool,
  caller: Caller,
  work: (client: PoolClient) => Promise<Result>,
): Promise<Result> {
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

/** Does the work under the caller's role and takes it back: whether he may. Throws what the database says. */
export async function tryAsCaller(
  pool: Pool,
  caller: Caller,
  work: (client: PoolClient) => Promise<void>,
): Promise<void> {
  const taken = new Error('taken back');
  try {
    await asCaller(pool, caller, async (client) => {
      await work(client);
      throw taken;
    });
  } catch (error) {
    if (error !== taken) throw error;
  }
}

export const sqlState = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : 'XX000';
