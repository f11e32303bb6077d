import { ProviderError } from '../providers/provider-error.ts';
import type { DatabaseProvider } from '../providers/providers.ts';
import { backOffMs } from '../providers/retry.ts';
import { quoted, STAGES, withValues, type Migration, type Stage } from './migration-files.ts';

/** A migration waits so long for a lock at most: whoever queues behind it waits as long. */
const LOCK_TIMEOUT = '2s';
const LOCK_ATTEMPTS = 8;
/** SQLSTATE: the lock was not to be had in time; there is no such table. */
const [LOCK_NOT_AVAILABLE, NO_SUCH_TABLE] = ['55P03', '42P01'];
/** One migration at a time in one database. The number says nothing but is nobody else's. */
const ADVISORY_LOCK = 7_214_990_151;

const BOOKS = `
create schema if not exists crossfade_media;
create table if not exists crossfade_media.migrations (
  name text primary key, checksum text not null,
  adopted boolean not null, applied_at timestamptz not null default now());
alter table crossfade_media.migrations enable row level security;
revoke all on crossfade_media.migrations from public;`;

/** What the books and the database say of one migration. */
export interface MigrationState {
  readonly migration: Migration;
  /** `adopted`: it was in place before Crossfade came, so Crossfade never takes it away. */
  readonly recorded: 'applied' | 'adopted' | null;
  readonly inPlace: boolean;
}

export interface Moved {
  readonly up: readonly string[];
  readonly down: readonly string[];
  readonly adopted: readonly string[];
}

/** A migration was changed after it was applied, or is not there any more. */
export class MigrationChanged extends Error {
  override readonly name = 'MigrationChanged';
}

/** Reads how far a database has gone, in the order of the migrations. @throws MigrationChanged */
export async function migrationStates(
  database: DatabaseProvider,
  migrations: readonly Migration[],
  values: Readonly<Record<string, string>>,
): Promise<readonly MigrationState[]> {
  const books = await readBooks(database);
  for (const { name, checksum, applied_at: at } of books) {
    const migration = migrations.find((one) => one.name === name);
    const when = at.toISOString();
    if (migration === undefined)
      throw new MigrationChanged(`${name} was applied on ${when} and its files are gone: put them back`);
    if (migration.checksum !== checksum)
      throw new MigrationChanged(
        `${name} was changed after it was applied on ${when}: put its files back as they were, and write what is to change as a new migration`,
      );
  }
  const checks = migrations.map(({ name, check }) => `(${withValues(name, check, values)})`);
  const [shown] = await database.query<{ there: boolean[] }>(`select array[${checks.join(', ')}] as there`);
  return migrations.map((migration, index) => {
    const entry = books.find((one) => one.name === migration.name);
    const recorded = entry === undefined ? null : entry.adopted ? 'adopted' : 'applied';
    return { migration, recorded, inPlace: shown?.there[index] === true };
  });
}

type Entry = { name: string; checksum: string; adopted: boolean; applied_at: Date };

async function readBooks(database: DatabaseProvider): Promise<readonly Entry[]> {
  try {
    return await database.query<Entry>('select name, checksum, adopted, applied_at from crossfade_media.migrations');
  } catch (error) {
    if (error instanceof ProviderError && error.code === NO_SUCH_TABLE) return [];
    throw error;
  }
}

/**
 * Brings a database to a stage: migrations up to it are applied in order, those past it that Crossfade applied are
 * undone in reverse. `null` undoes them all. What is in place already is adopted; what was applied and is gone since is
 * applied again. Doing it twice does no harm.
 * @throws MigrationChanged, and ProviderError where a lock was not to be had after several attempts
 */
export async function migrateTo(
  database: DatabaseProvider,
  migrations: readonly Migration[],
  values: Readonly<Record<string, string>>,
  stage: Stage | null,
): Promise<Moved> {
  const states = await migrationStates(database, migrations, values);
  const wanted = stage === null ? -1 : STAGES.indexOf(stage);
  const reaches = ({ migration }: MigrationState): boolean => STAGES.indexOf(migration.stage) <= wanted;
  const past = states.filter((one) => !reaches(one) && one.recorded === 'applied').toReversed();
  const lacking = states.filter((one) => reaches(one) && !one.inPlace);
  const adopted = states.filter((one) => reaches(one) && one.inPlace && one.recorded === null);
  for (const { migration } of past) await undo(database, migration, values);
  if (adopted.length > 0) await inTransaction(database, [BOOKS, ...adopted.map((one) => entryOf(one.migration, true))]);
  for (const { migration } of lacking) await apply(database, migration, values);
  const names = (of: readonly MigrationState[]): string[] => of.map((one) => one.migration.name);
  return { up: names(lacking), down: names(past), adopted: names(adopted) };
}

async function apply(
  database: DatabaseProvider,
  migration: Migration,
  values: Readonly<Record<string, string>>,
): Promise<void> {
  const up = withValues(migration.name, migration.up, values);
  if (migration.transaction) {
    await inTransaction(database, [BOOKS, up, entryOf(migration, false)]);
    return;
  }
  // An index that was not finished is left there, invalid, and would pass for done.
  await whenFree(() => database.query(withValues(migration.name, migration.down, values)));
  await whenFree(() => database.query(up));
  await inTransaction(database, [BOOKS, entryOf(migration, false)]);
}

async function undo(
  database: DatabaseProvider,
  migration: Migration,
  values: Readonly<Record<string, string>>,
): Promise<void> {
  const down = withValues(migration.name, migration.down, values);
  const forget = `delete from crossfade_media.migrations where name = ${quoted(migration.name)};`;
  if (migration.transaction) {
    await inTransaction(database, [down, forget]);
    return;
  }
  await whenFree(() => database.query(down));
  await inTransaction(database, [forget]);
}

const entryOf = ({ name, checksum }: Migration, adopted: boolean): string =>
  `insert into crossfade_media.migrations (name, checksum, adopted) values (${quoted(name)}, ${quoted(checksum)}, ${adopted})
on conflict (name) do update set checksum = excluded.checksum, applied_at = now();`;

/**
 * Statements sent as one are one transaction to Postgres: all of them or none, and a connection that breaks leaves
 * nothing half done.
 */
async function inTransaction(database: DatabaseProvider, statements: readonly string[]): Promise<void> {
  const guard = `set local lock_timeout = '${LOCK_TIMEOUT}';
select pg_advisory_xact_lock(${ADVISORY_LOCK});`;
  const text = [guard, ...statements.map((one) => ended(one.trim()))].join('\n');
  await whenFree(() => database.query(text));
}

/** On a line of its own: the last one may be a comment. */
const ended = (sql: string): string => (sql.endsWith(';') ? sql : `${sql}\n;`);

/** Asks again for a lock that somebody else holds, after a pause in which the writers who queued get their turn. */
async function whenFree(act: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await act();
      return;
    } catch (error) {
      const busy = error instanceof ProviderError && error.code === LOCK_NOT_AVAILABLE;
      if (!busy || attempt === LOCK_ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, backOffMs(attempt)));
    }
  }
}
