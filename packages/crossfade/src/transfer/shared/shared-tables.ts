import type { Pool } from 'pg';

/** On which the database tells that something of a shared transfer has changed; the payload is its id. */
export const TRANSFER_CHANNEL = 'crossfade_transfer';

/**
 * Under one lock: two processes that make the same things at once would stumble over each other. Keys are bytes: their
 * order is that of the listings whatever the database's collation, and they may hold what text may not.
 *
 * A partition is `waiting` → `copying` → `done` or `failed`. Whoever gives it back or takes it from the dead makes it
 * `waiting` again under the next `generation`; every write of a task names the generation that it was given, so that
 * one who was only thought dead writes nothing any more.
 */
const SCHEMA = `
select pg_advisory_xact_lock(hashtextextended('crossfade/schema', 0));
create schema if not exists crossfade;
create table if not exists crossfade.transfers (
  id text primary key,
  from_location text not null,
  to_location text not null,
  options jsonb not null,
  begun_at timestamptz not null default clock_timestamp(),
  planned_at timestamptz,
  ended_at timestamptz
);
create unique index if not exists transfers_under_way
  on crossfade.transfers (from_location, to_location, options) where ended_at is null;
create table if not exists crossfade.transfer_partitions (
  transfer text not null references crossfade.transfers on delete cascade,
  number integer not null,
  after_key bytea,
  until_key bytea,
  state text not null default 'waiting' check (state in ('waiting', 'copying', 'done', 'failed')),
  generation integer not null default 1,
  enqueued boolean not null default false,
  worker text,
  objects bigint not null default 0,
  bytes bigint not null default 0,
  result jsonb,
  primary key (transfer, number)
);
create table if not exists crossfade.transfer_manifests (
  transfer text not null references crossfade.transfers on delete cascade,
  number integer not null,
  generation integer not null,
  chunk integer not null,
  lines bytea not null,
  primary key (transfer, number, generation, chunk)
);
create table if not exists crossfade.transfer_workers (
  id text primary key,
  host text not null,
  pid integer not null,
  joined_at timestamptz not null default clock_timestamp(),
  seen_at timestamptz not null default clock_timestamp(),
  gone_at timestamptz,
  objects bigint not null default 0,
  bytes bigint not null default 0,
  objects_per_second double precision not null default 0,
  bytes_per_second double precision not null default 0
);
`;

/** Makes the tables of shared transfers where they are missing. */
export async function createTransferTables(pool: Pool): Promise<void> {
  await pool.query(SCHEMA);
}
