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
 * What passes, and leaves nothing of the statement behind: it was cancelled (57014), could not be serialized (40001) or
 * lost a deadlock (40P01); there were too many connections (53300); the server stops (57P01, 57P02), starts (57P03), or
 * is a standby while another one takes over (25006); the connection broke (class 08).
 */
const PASSING = /^(57014|40001|40P01|53300|57P0[123]|25006|08...)$/;

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
        const retryable = PASSING.test(code);
        const details = { status: null, reached: true, code, message: reason, retryable, secrets };
        throw new ProviderError('Postgres', 'query', details);
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
