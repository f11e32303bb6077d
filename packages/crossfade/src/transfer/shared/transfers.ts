import type { Pool, PoolClient } from 'pg';
import * as v from 'valibot';
import type { KeyRange } from '../key-range.ts';
import { rangeOf } from '../partitions.ts';
import { TRANSFER_CHANNEL } from './shared-tables.ts';
import { newTransferId, type PartitionResult, type SharedTransfer } from './shared-transfer.ts';

const optionsSchema = v.object({
  deep: v.boolean(),
  include: v.array(v.string()),
  exclude: v.array(v.string()),
  prefix: v.string(),
  // Absent in what an older command began.
  places: v.optional(v.array(v.string()), []),
  partitions: v.number(),
  mostObjects: v.number(),
  mostBytes: v.number(),
});
const resultSchema = v.object({
  objects: v.number(),
  bytes: v.number(),
  verified: v.number(),
  // Absent in what an older worker wrote.
  gone: v.optional(v.number(), 0),
  copied: v.number(),
  copiedBytes: v.number(),
  extra: v.number(),
  failed: v.number(),
  unlisted: v.optional(v.number(), 0),
  failures: v.array(v.object({ key: v.nullable(v.string()), reason: v.string() })),
});

interface TransferRow {
  id: string;
  from_location: string;
  to_location: string;
  options: unknown;
  planned_at: Date | null;
}
const COLUMNS = 'id, from_location, to_location, options, planned_at';

function toTransfer(row: TransferRow): SharedTransfer {
  const { id, from_location: from, to_location: to, planned_at: plannedAt } = row;
  return { id, from, to, options: v.parse(optionsSchema, row.options), planned: plannedAt !== null };
}

type Ends = Pick<SharedTransfer, 'from' | 'to' | 'options'>;

/** The transfer with these ends and options that is under way, if there is one. */
export async function findTransfer(pool: Pool, { from, to, options }: Ends): Promise<SharedTransfer | null> {
  const { rows } = await pool.query<TransferRow>(
    `select ${COLUMNS} from crossfade.transfers
     where from_location = $1 and to_location = $2 and options = $3::jsonb and ended_at is null`,
    [from, to, JSON.stringify(options)],
  );
  return rows[0] === undefined ? null : toTransfer(rows[0]);
}

/** Begins a transfer, or joins the one with the same ends and options that is under way. */
export async function beginTransfer(
  pool: Pool,
  { from, to, options }: Ends,
): Promise<{ transfer: SharedTransfer; joined: boolean }> {
  const begun = await pool.query<TransferRow>(
    `insert into crossfade.transfers (id, from_location, to_location, options) values ($4, $1, $2, $3)
     on conflict (from_location, to_location, options) where ended_at is null do nothing returning ${COLUMNS}`,
    [from, to, JSON.stringify(options), newTransferId()],
  );
  const [mine] = begun.rows;
  if (mine !== undefined) return { transfer: toTransfer(mine), joined: false };
  const theirs = await findTransfer(pool, { from, to, options });
  // It ended between the two questions.
  return theirs === null ? beginTransfer(pool, { from, to, options }) : { transfer: theirs, joined: true };
}

/** Those of which something is still to be done: planned or not. */
export async function transfersUnderWay(pool: Pool | PoolClient): Promise<SharedTransfer[]> {
  const { rows } = await pool.query<TransferRow>(
    `select ${COLUMNS} from crossfade.transfers t where ended_at is null and (planned_at is null or exists (
       select 1 from crossfade.transfer_partitions p where p.transfer = t.id and p.state in ('waiting', 'copying')))
     order by begun_at`,
  );
  return rows.map(toTransfer);
}

export async function readTransfer(pool: Pool, id: string): Promise<SharedTransfer | null> {
  const { rows } = await pool.query<TransferRow>(`select ${COLUMNS} from crossfade.transfers where id = $1`, [id]);
  return rows[0] === undefined ? null : toTransfer(rows[0]);
}

const toBytes = (key: string | undefined): Buffer | null => (key === undefined ? null : Buffer.from(key));
export const toRange = (row: { after_key: Buffer | null; until_key: Buffer | null }): KeyRange =>
  rangeOf(row.after_key?.toString() ?? undefined, row.until_key?.toString() ?? undefined);

/** Writes the plan down, unless somebody else has by now. */
export async function plan(client: PoolClient, id: string, ranges: readonly KeyRange[]): Promise<void> {
  await client.query(
    `with planned as (
       update crossfade.transfers set planned_at = clock_timestamp() where id = $1 and planned_at is null returning id)
     insert into crossfade.transfer_partitions (transfer, number, after_key, until_key)
     select planned.id, cut.number, cut.after_key, cut.until_key
     from planned, unnest($2::integer[], $3::bytea[], $4::bytea[]) as cut (number, after_key, until_key)`,
    [
      id,
      ranges.map((_, index) => index + 1),
      ranges.map(({ after }) => toBytes(after)),
      ranges.map(({ until }) => toBytes(until)),
    ],
  );
  await client.query('select pg_notify($1, $2)', [TRANSFER_CHANNEL, id]);
}

/**
 * Shortens a partition to the first of these ranges, and adds the others as new ones.
 * Answers `false` when the partition is another generation's by now; then nothing is changed.
 */
export async function splitPartition(
  pool: Pool,
  { transfer, number, generation }: TaskId,
  ranges: readonly KeyRange[],
): Promise<boolean> {
  const [first, ...rest] = ranges;
  return inTransaction(pool, async (client) => {
    // One split at a time: each numbers its ranges behind those that are there.
    await client.query('select 1 from crossfade.transfers where id = $1 for no key update', [transfer]);
    const { rowCount } = await client.query(
      `update crossfade.transfer_partitions set until_key = $4
       where transfer = $1 and number = $2 and generation = $3 and state = 'copying'`,
      [transfer, number, generation, toBytes(first?.until)],
    );
    if (rowCount !== 1) return false;
    await client.query(
      `insert into crossfade.transfer_partitions (transfer, number, after_key, until_key)
       select $1, last.number + cut.ordinal, cut.after_key, cut.until_key
       from (select max(number) as number from crossfade.transfer_partitions where transfer = $1) as last,
         unnest($2::bytea[], $3::bytea[]) with ordinality as cut (after_key, until_key, ordinal)`,
      [transfer, rest.map(({ after }) => toBytes(after)), rest.map(({ until }) => toBytes(until))],
    );
    return true;
  });
}

async function inTransaction<Answer>(pool: Pool, work: (client: PoolClient) => Promise<Answer>): Promise<Answer> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    const answer = await work(client);
    await client.query('commit');
    client.release();
    return answer;
  } catch (error) {
    // A connection that is thrown away rolls back by itself.
    client.release(true);
    throw error;
  }
}

/** Which turn at which partition. */
export interface TaskId {
  readonly transfer: string;
  readonly number: number;
  readonly generation: number;
}

/** Takes a partition that waits; `null` when this turn is over: somebody else has it, or it is done. */
export async function claimPartition(
  pool: Pool,
  { transfer, number, generation }: TaskId,
  worker: string,
): Promise<KeyRange | null> {
  const { rows } = await pool.query<{ after_key: Buffer | null; until_key: Buffer | null }>(
    `update crossfade.transfer_partitions set state = 'copying', worker = $4, objects = 0, bytes = 0
     where transfer = $1 and number = $2 and generation = $3 and state = 'waiting' returning after_key, until_key`,
    [transfer, number, generation, worker],
  );
  return rows[0] === undefined ? null : toRange(rows[0]);
}

/** Tells how far a partition is; `false` when it is somebody else's by now. */
export async function notePartition(
  pool: Pool,
  { transfer, number, generation }: TaskId,
  done: { readonly objects: number; readonly bytes: number },
): Promise<boolean> {
  const { rowCount } = await pool.query(
    `update crossfade.transfer_partitions set objects = $4, bytes = $5
     where transfer = $1 and number = $2 and generation = $3 and state = 'copying'`,
    [transfer, number, generation, done.objects, done.bytes],
  );
  return rowCount === 1;
}

/** Writes a partition's result, once; `false` when it is somebody else's by now. */
export async function finishPartition(
  pool: Pool,
  { transfer, number, generation }: TaskId,
  result: PartitionResult,
): Promise<boolean> {
  const { rowCount } = await pool.query(
    `update crossfade.transfer_partitions
     set state = $4, result = $5, objects = $6, bytes = $7
     where transfer = $1 and number = $2 and generation = $3 and state = 'copying'`,
    [
      transfer,
      number,
      generation,
      result.failed > 0 ? 'failed' : 'done',
      JSON.stringify(result),
      result.copied,
      result.copiedBytes,
    ],
  );
  await pool.query('select pg_notify($1, $2)', [TRANSFER_CHANNEL, transfer]);
  return rowCount === 1;
}

/** Makes a partition wait for the next who takes it, unless this turn is over already. */
export async function giveBack(pool: Pool | PoolClient, { transfer, number, generation }: TaskId): Promise<void> {
  await pool.query(
    `update crossfade.transfer_partitions set state = 'waiting', generation = generation + 1, enqueued = false, worker = null
     where transfer = $1 and number = $2 and generation = $3 and state in ('waiting', 'copying')`,
    [transfer, number, generation],
  );
}

/** What all partitions of a transfer came to so far. */
export async function readResults(pool: Pool, id: string): Promise<{ number: number; result: PartitionResult }[]> {
  const { rows } = await pool.query<{ number: number; result: unknown }>(
    'select number, result from crossfade.transfer_partitions where transfer = $1 and result is not null order by number',
    [id],
  );
  return rows.map(({ number, result }) => ({ number, result: v.parse(resultSchema, result) }));
}

/** The transfer is over: the next with the same ends begins anew. Its parts of the manifest are let go of. */
export async function endTransfer(pool: Pool, id: string): Promise<void> {
  await pool.query(
    `with ended as (update crossfade.transfers set ended_at = clock_timestamp() where id = $1 and ended_at is null)
     delete from crossfade.transfer_manifests where transfer = $1`,
    [id],
  );
}
