import pg from 'pg';
import { ProviderError } from '../provider-error.ts';
import type { DatabaseProvider } from '../providers.ts';

/** The app's Postgres. Errors name the host, never the connection string. */
export function createDatabaseProvider(url: string): DatabaseProvider & { close(): Promise<void> } {
  const pool = new pg.Pool({ connectionString: url, max: 4, connectionTimeoutMillis: 10_000 });
  // A connection that breaks while idle is replaced at the next query, which tells its own error.
  pool.on('error', () => {});
  return {
    async query<Row extends Record<string, unknown>>(text: string, values: readonly unknown[] = []) {
      try {
        return (await pool.query<Row>(text, [...values])).rows;
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? String(error.code) : null;
        const network = code !== null && /^E[A-Z]+$/.test(code);
        throw new ProviderError('Postgres', 'query', { status: network ? null : 400, code, message: error instanceof Error ? error.message : String(error) });
      }
    },
    close: () => pool.end(),
  };
}
