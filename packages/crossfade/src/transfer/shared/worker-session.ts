import { hostname } from 'node:os';
import { Client, type Pool } from 'pg';
import { errorText } from '../../rollout/error-text.ts';
import type { Throughput } from './shared-progress.ts';

/** What makes a process a worker in the others' eyes. */
export interface WorkerSession {
  /** Fires when the others may think that this worker is dead. */
  readonly lost: AbortSignal;
  close(): Promise<void>;
}

/** Another machine that vanished without a word is noticed after idle + count × interval, s. */
const KEEPALIVE = 'set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3';

/**
 * Joins: a connection of its own holds an advisory lock, which the database frees when the process dies, so that the
 * others notice at once. Joined again under the same id, what the worker still had waits for the next who takes it.
 */
export async function openWorkerSession(databaseUrl: string, id: string): Promise<WorkerSession> {
  const client = new Client({ connectionString: databaseUrl, keepAlive: true, connectionTimeoutMillis: 5000 });
  const lost = new AbortController();
  client.on('error', (error) => lost.abort(new Error(`the connection to the database broke: ${errorText(error)}`)));
  client.on('end', () => lost.abort(new Error('the connection to the database ended')));
  await client.connect();
  try {
    await client.query(KEEPALIVE);
    await client.query(`select pg_advisory_lock(hashtextextended('crossfade/worker/' || $1, 0))`, [id]);
    await client.query(
      `insert into crossfade.transfer_workers (id, host, pid) values ($1, $2, $3)
       on conflict (id) do update set seen_at = clock_timestamp(), gone_at = null`,
      [id, hostname(), process.pid],
    );
    await client.query(
      `update crossfade.transfer_partitions
       set state = 'waiting', generation = generation + 1, enqueued = false, worker = null
       where worker = $1 and state = 'copying'`,
      [id],
    );
    return {
      lost: lost.signal,
      async close() {
        client.removeAllListeners('end');
        await client.end();
      },
    };
  } catch (error) {
    client.removeAllListeners('end');
    await client.end();
    throw error;
  }
}

/** Tells the others that the worker lives, and how fast it is. */
export async function heartbeat(pool: Pool, id: string, throughput: Throughput): Promise<void> {
  await pool.query(
    `update crossfade.transfer_workers set seen_at = clock_timestamp(), gone_at = null, objects = $2, bytes = $3,
       objects_per_second = $4, bytes_per_second = $5 where id = $1`,
    [id, throughput.objects, throughput.bytes, throughput.objectsPerSecond, throughput.bytesPerSecond],
  );
}

/** Workers whose lock is free, or that were not seen for the lease: they are dead. */
export async function deadWorkers(pool: Pool, leaseMs: number): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `select id from crossfade.transfer_workers where gone_at is null
       and (seen_at < clock_timestamp() - $1 * interval '1 ms'
         or pg_try_advisory_xact_lock(hashtextextended('crossfade/worker/' || id, 0)))`,
    [leaseMs],
  );
  return rows.map(({ id }) => id);
}
