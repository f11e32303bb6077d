import { Pool } from 'pg';
import { ProviderError, networkReason } from '../provider-error.ts';
import type { DatabaseProvider } from '../providers.ts';
import { retrying } from '../retry.ts';

const CONNECTIONS = 4;
const CONNECT_TIMEOUT_MS = 10_000;
/** A batch of rows is touched in far less. */
const QUERY_TIMEOUT_MS = 60_000;
/** SQLSTATE: what Postgres itself answers with, unlike the network's codes. */
const SQLSTATE = /^[0-9A-Z]{5}$/;

/**
 * The app's Postgres. Errors name the host, never the connection string. A statement whose answer was lost is made
 * again, so each must bear being run twice; `pace` is a share of the timeouts and pauses.
 */
export function createDatabaseProvider(url: string, pace = 1): DatabaseProvider & { close(): Promise<void> } {
  const pool = new Pool({
    connectionString: url,
    max: CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS * pace,
    query_timeout: QUERY_TIMEOUT_MS * pace,
  });
  // A connection that breaks while idle is replaced at the next query, which tells its own error.
  pool.on('error', () => {});
  const { host, password } = new URL(url);
  const secrets = [url, password, decodeURIComponent(password)];
  async function once<Row extends Record<string, unknown>>(text: string, values: readonly unknown[]): Promise<Row[]> {
    try {
      return (await pool.query<Row>(text, [...values])).rows;
    } catch (error) {
      const reason = networkReason(error);
      const code = error instanceof Error && 'code' in error ? String(error.code) : null;
      if (code !== null && SQLSTATE.test(code)) {
        throw new ProviderError('Postgres', 'query', { status: null, reached: true, code, message: reason, secrets });
      }
      throw new ProviderError('Postgres', 'query', {
        status: null,
        message: `${host} did not answer: ${reason}`,
        hint: `check that the database at ${host} runs and can be reached from this machine`,
        secrets,
      });
    }
  }
  return {
    query: <Row extends Record<string, unknown>>(text: string, values: readonly unknown[] = []) =>
      retrying(() => once<Row>(text, values), undefined, pace),
    close: () => pool.end(),
  };
}
