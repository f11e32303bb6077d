import { migrateTo, migrationStates, type Moved } from '../../migrations/migrate.ts';
import { readMigrations, STAGES, type Stage } from '../../migrations/migration-files.ts';
import type { EnvironmentName } from '../../rollout/config.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { until } from '../../rollout/until.ts';

/** A batch is what lies in so many pages of 8 KiB: some hundreds of rows, locked for some milliseconds. */
const PAGES = 16;
/** How long rows that somebody else holds are waited for, ms. */
const PATIENCE_MS = 20_000;
const PAUSE_MS = 200;

/** What stands before the key in a public URL of that environment, and the whole beginning of one. */
export function addressValues(
  { config }: RolloutContext,
  environment: EnvironmentName,
): { marker: string; base: string } {
  const { supabase, worker } = config.environments[environment];
  const marker = `/object/public/${supabase.bucket}/`;
  return { marker, base: `${worker.mediaOrigin}/storage/v1${marker}` };
}

/** How far the database has gone by Crossfade's books: the last stage of which every migration is there. */
export async function databaseStage(context: RolloutContext, environment: EnvironmentName): Promise<Stage | null> {
  const states = await migrationStates(...(await migrationsOf(context, environment)));
  const lacking = STAGES.findIndex((stage) =>
    states.some((one) => one.migration.stage === stage && (one.recorded === null || !one.inPlace)),
  );
  return STAGES[(lacking < 0 ? STAGES.length : lacking) - 1] ?? null;
}

/** Brings an environment's database to a stage, forward or back. @see migrateTo */
export async function bringTo(
  context: RolloutContext,
  environment: EnvironmentName,
  stage: Stage | null,
): Promise<Moved> {
  return migrateTo(...(await migrationsOf(context, environment)), stage);
}

/** Names of the migrations up to a stage that the database does not show. */
export async function lackingUpTo(
  context: RolloutContext,
  environment: EnvironmentName,
  stage: Stage,
): Promise<string[]> {
  const states = await migrationStates(...(await migrationsOf(context, environment)));
  return states
    .filter((one) => !one.inPlace && STAGES.indexOf(one.migration.stage) <= STAGES.indexOf(stage))
    .map((one) => one.migration.name);
}

async function migrationsOf(context: RolloutContext, environment: EnvironmentName) {
  const migrations = await readMigrations(context.config.mediaRows.migrations);
  const database = context.providers.database[environment];
  return [database, migrations, addressValues(context, environment)] as const;
}

/** SQL's conditions on a row of production's; `$1` is the marker. They need none of the migrations' functions. */
export function conditions({ urlColumn: url, keyColumn: key }: RolloutContext['config']['mediaRows']) {
  const path = `regexp_replace(${url}, '[?#].*$', '')`;
  const named = `(position($1 in ${path}) > 0 and length(${path}) >= position($1 in ${path}) + length($1))`;
  return {
    lacksKey: `(${key} is null and ${named})`,
    lacksUrl: `(${url} is null and ${key} <> '')`,
    /** The key can be told from the URL, so nothing is lost with it. */
    keyIsInUrl: `(${key} is not null and ${named})`,
  };
}

/**
 * Writes `set` to every row of production's that meets `where`, batch by batch: each is a statement and so a
 * transaction of its own, takes only rows that nobody holds, and can be broken off and begun anew. Answers with the
 * number of rows written. Throws when rows stayed locked.
 */
export async function writeInBatches(
  context: RolloutContext,
  table: string,
  where: string,
  set: string,
): Promise<number> {
  const database = context.providers.database.production;
  const { marker } = addressValues(context, 'production');
  let written = 0;
  const pass = async (): Promise<number> => {
    const batches = await database.query<{ batch: string; rows: string }>(
      `select (ctid::text::point)[0]::bigint / ${PAGES} as batch, count(*) as rows from ${table} where ${where} group by 1 order by 1`,
      [marker],
    );
    let left = 0;
    for (const { batch, rows } of batches) {
      context.signal.throwIfAborted();
      const first = Number(batch) * PAGES;
      const [done] = await database.query<{ written: string }>(
        `with batch as (
           select ctid from ${table} where ctid >= '(${first},0)' and ctid < '(${first + PAGES},0)' and ${where}
           for update skip locked),
         done as (update ${table} t set ${set} from batch where t.ctid = batch.ctid returning 1)
         select count(*) as written from done`,
        [marker],
      );
      // Nothing is answered where the statement is only written down, in a dry run.
      const count = Number(done?.written ?? rows);
      written += count;
      left += Math.max(0, Number(rows) - count);
    }
    return left;
  };
  // What fails is not asked again: it would fail the same way.
  const settled = async (): Promise<{ left: number; error: unknown }> =>
    pass().then(
      (left) => ({ left, error: null }),
      (error: unknown) => ({ left: 0, error }),
    );
  const { reading } = await until(settled, ({ left }) => left === 0, {
    timeoutMs: PATIENCE_MS,
    everyMs: PAUSE_MS,
    signal: context.signal,
  });
  if (reading.error !== null) throw reading.error;
  if (reading.left > 0)
    throw new Error(`${reading.left} rows of ${table} are held by others since ${PATIENCE_MS / 1000} s`);
  return written;
}
