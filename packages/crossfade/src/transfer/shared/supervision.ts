import { DBOS } from '@dbos-inc/dbos-sdk';
import type { Pool } from 'pg';
import { cutKeySpace } from '../partitions.ts';
import { prefixedStore } from '../prefixed-store.ts';
import type { ObjectStore } from '../../providers/providers.ts';
import { giveBack, plan, transfersUnderWay, type TaskId } from './transfers.ts';
import { deadWorkers } from './worker-session.ts';

export interface Supervision {
  readonly pool: Pool;
  /** The engine's queue. */
  readonly queueName: string;
  readonly enqueue: (task: TaskId) => Promise<void>;
  readonly storeAt: (location: string, use: 'read') => Promise<ObjectStore>;
  readonly leaseMs: number;
  readonly signal: AbortSignal;
}

/** Fewer objects than these are not worth a task of their own. */
const LEAST_OBJECTS = 50;

/** To the engine each turn at a partition is a workflow of its own. */
export const workflowId = ({ transfer, number, generation }: TaskId): string => `${transfer}/${number}/${generation}`;

function taskOf(id: string): TaskId | null {
  const [, transfer, number, generation] = /^(.+)\/(\d+)\/(\d+)$/.exec(id) ?? [];
  if (transfer === undefined) return null;
  return { transfer, number: Number(number), generation: Number(generation) };
}

/**
 * What one of the workers does for all of them, whichever is first: takes back what the dead had, cuts the keys of a
 * transfer that was begun, and hands to the queue what waits. Each part may be done twice, or be left half done.
 */
export async function supervise(work: Supervision): Promise<void> {
  const client = await work.pool.connect();
  try {
    const { rows } = await client.query<{ mine: boolean }>(
      `select pg_try_advisory_lock(hashtextextended('crossfade/transfer-supervision', 0)) as mine`,
    );
    if (rows[0]?.mine !== true) return client.release();
    for (const dead of await deadWorkers(work.pool, work.leaseMs)) await takeOver(work, dead);
    for (const { id, from, options, planned } of await transfersUnderWay(work.pool)) {
      if (planned) continue;
      const { partitions, mostObjects } = options;
      const cut = { partitions, least: Math.min(LEAST_OBJECTS, mostObjects), signal: work.signal };
      const store = prefixedStore(await work.storeAt(from, 'read'), '', options.prefix);
      const ranges = await cutKeySpace(store, cut);
      await plan(client, id, ranges);
    }
    await handOver(work);
    await client.query(`select pg_advisory_unlock(hashtextextended('crossfade/transfer-supervision', 0))`);
    client.release();
  } catch (error) {
    // The lock goes with the connection.
    client.release(true);
    throw error;
  }
}

/** What a dead worker had, in the engine's books or in ours, waits again; only then is it written off. */
async function takeOver({ pool, queueName }: Supervision, worker: string): Promise<void> {
  const begun = await DBOS.listWorkflows({ executorId: worker, status: 'PENDING', queueName, loadInput: false });
  for (const { workflowID } of begun) {
    const task = taskOf(workflowID);
    if (task !== null) await giveBack(pool, task);
    await DBOS.cancelWorkflow(workflowID);
  }
  const { rows } = await pool.query<TaskId>(
    `select transfer, number, generation from crossfade.transfer_partitions where worker = $1 and state = 'copying'`,
    [worker],
  );
  for (const task of rows) await giveBack(pool, task);
  await pool.query(
    `with old as (delete from crossfade.transfer_workers where gone_at < clock_timestamp() - interval '1 day')
     update crossfade.transfer_workers set gone_at = clock_timestamp() where id = $1`,
    [worker],
  );
}

async function handOver({ pool, enqueue }: Supervision): Promise<void> {
  const { rows } = await pool.query<TaskId>(
    `select p.transfer, p.number, p.generation from crossfade.transfer_partitions p
     join crossfade.transfers t on t.id = p.transfer and t.ended_at is null
     where p.state = 'waiting' and not p.enqueued order by t.begun_at, p.number`,
  );
  for (const task of rows) {
    // Handed over twice it is one: the engine knows it by its id.
    await enqueue(task);
    await pool.query(
      `update crossfade.transfer_partitions set enqueued = true where transfer = $1 and number = $2 and generation = $3`,
      [task.transfer, task.number, task.generation],
    );
  }
}
