import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { DBOS } from '@dbos-inc/dbos-sdk';
import { Pool } from 'pg';
import { errorText } from '../../rollout/error-text.ts';
import { until } from '../../rollout/until.ts';
import { createStoreRoom } from './store-room.ts';
import { createTransferTables } from './shared-tables.ts';
import type { KeyFilter, OpenStore } from './shared-transfer.ts';
import { createThroughput, LEASE_MS, readProgress, type SharedProgress } from './shared-progress.ts';
import { supervise, workflowId } from './supervision.ts';
import { createTurns, type Turns } from './turns.ts';
import { transfersUnderWay, type TaskId } from './transfers.ts';
import { heartbeat, openWorkerSession, type WorkerSession } from './worker-session.ts';
import type { Concurrency } from '../pace.ts';

export interface WorkerOptions {
  /** Postgres that all workers share. */
  readonly databaseUrl: string;
  readonly openStore: OpenStore;
  /** Makes a filter of a transfer's patterns; without it every key is copied. */
  readonly filter?: KeyFilter;
  /** Objects on their way at once. */
  readonly concurrency: Concurrency;
  /** Leaves when nothing is left to do, instead of waiting for the next transfer. */
  readonly once: boolean;
  /** Told once a second: the worker's id, and how far all of it is. */
  readonly onProgress?: (id: string, progress: SharedProgress) => void;
  /** Told what keeps the work from going on, as long as it does: the database or a store is away. */
  readonly onTrouble?: (text: string) => void;
  /** Without it, 30 s. */
  readonly leaseMs?: number;
  readonly signal: AbortSignal;
}

export interface WorkerResult {
  readonly id: string;
  readonly partitions: number;
  readonly objects: number;
  readonly bytes: number;
}

const QUEUE = 'crossfade-transfer';
/**
 * The engine hands tasks, and recovers them, within one application version. It is no build's: a newer build of
 * Crossfade must be able to finish what an older one began. It is another than any rollout's, so that none takes them.
 */
const VERSION = 'crossfade-transfer-1';
/** One is listed or verified while the other is copied. */
const PARTITIONS_AT_ONCE = 2;
const POLL_MS = 100;
const BEAT_MS = 1000;
/** A database that is away is waited for so long, ms. */
const PATIENCE_MS = 5 * 60_000;

let current: Turns | undefined;

const partitionWorkflow = DBOS.registerWorkflow(
  async (transfer: string, number: number, generation: number): Promise<string> => {
    const turns = current;
    if (turns === undefined) throw new Error('this process is no worker');
    return DBOS.runStep(() => turns.take({ transfer, number, generation }), { name: 'copy and verify' });
  },
  { name: 'copy-partition' },
);

async function enqueue(task: TaskId): Promise<void> {
  const start = DBOS.startWorkflow(partitionWorkflow, { workflowID: workflowId(task), queueName: QUEUE });
  await start(task.transfer, task.number, task.generation);
}

/**
 * Takes partitions of shared transfers from the queue until it is told to end, or with `once` until nothing is left.
 * What it had then is given back. One in a process.
 * @throws Error when the database stays away, and what `openStore` throws for a location that this machine cannot open
 */
export async function runWorker(options: WorkerOptions): Promise<WorkerResult> {
  const { databaseUrl, leaseMs = LEASE_MS, signal } = options;
  const id = `${hostname()}-${process.pid}-${randomUUID().slice(0, 4)}`;
  const pool = new Pool({
    connectionString: databaseUrl,
    max: 6,
    connectionTimeoutMillis: 5000,
    query_timeout: 30_000,
  });
  // An idle connection that breaks is no loss; whoever asks next gets a new one or the error.
  pool.on('error', () => {});
  const stores = createStoreRoom(options.openStore);
  const throughput = createThroughput();
  const turns = createTurns({ ...options, pool, worker: id, stores, throughput });
  const end = AbortSignal.any([signal, turns.broken]);
  let session: WorkerSession | null = null;
  try {
    await createTransferTables(pool);
    session = await openWorkerSession(databaseUrl, id);
    await joinQueue(pool, databaseUrl, id, turns);
    let beaten = performance.now();
    let supervision: Promise<void> | null = null;
    for (;;) {
      try {
        if (session === null || session.lost.aborted) {
          await turns.dropAll();
          await session?.close();
          session = await openWorkerSession(databaseUrl, id);
        }
        await heartbeat(pool, id, throughput.read());
        await turns.note();
        beaten = performance.now();
        options.onProgress?.(id, await readProgress(pool, null));
        if (options.once && turns.count() === 0 && (await transfersUnderWay(pool)).length === 0) break;
      } catch (error) {
        if (performance.now() - beaten > PATIENCE_MS) throw error;
        options.onTrouble?.(errorText(error));
        // The others think that this worker is dead, or soon will.
        if (performance.now() - beaten > leaseMs / 2) turns.stopAll(errorText(error));
      }
      supervision ??= supervise({ pool, queueName: QUEUE, enqueue, storeAt: stores.at, leaseMs, signal })
        // Whoever supervises next tries again.
        .catch((error: unknown) => options.onTrouble?.(errorText(error)))
        .finally(() => (supervision = null));
      await wait(BEAT_MS, null, { signal: end }).catch((error: unknown) => {
        if (!end.aborted) throw error;
      });
      turns.broken.throwIfAborted();
      if (signal.aborted) break;
    }
    await supervision;
    return { id, partitions: turns.finished(), ...totals(throughput.read()) };
  } finally {
    await turns.leave();
    await DBOS.shutdown();
    current = undefined;
    await session?.close();
    await stores.close();
    await pool.end();
  }
}

const totals = ({ objects, bytes }: { objects: number; bytes: number }) => ({ objects, bytes });

const LAUNCH_LOCK = `hashtextextended('crossfade/engine-launch', 0)`;
const LAUNCH_MS = 60_000;
const LOCK_POLL_MS = 100;

async function joinQueue(pool: Pool, databaseUrl: string, id: string, turns: Turns): Promise<void> {
  current = turns;
  DBOS.setConfig({
    name: 'crossfade-transfer',
    systemDatabaseUrl: databaseUrl,
    executorID: id,
    applicationVersion: VERSION,
    logLevel: 'error',
    listenQueues: [QUEUE],
  });
  const client = await pool.connect();
  try {
    // The engine's first launch makes its tables, and two at once stumble over each other. Asked for again and again
    // rather than waited for: whoever makes an index waits for all who wait inside of a statement.
    const lock = async (): Promise<boolean> =>
      (await client.query<{ mine: boolean }>(`select pg_try_advisory_lock(${LAUNCH_LOCK}) as mine`)).rows[0]?.mine ===
      true;
    const { good } = await until(lock, (mine) => mine, { timeoutMs: LAUNCH_MS, everyMs: LOCK_POLL_MS });
    if (!good) throw new Error('another worker has been launching the engine for a minute');
    await DBOS.launch();
    await DBOS.registerQueue(QUEUE, {
      workerConcurrency: PARTITIONS_AT_ONCE,
      minPollingIntervalMs: POLL_MS,
      onConflict: 'always_update',
    });
  } finally {
    // The lock goes with the connection.
    client.release(true);
  }
}
