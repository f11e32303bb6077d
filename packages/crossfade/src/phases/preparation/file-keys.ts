import type { RolloutContext } from '../../rollout/context.ts';
import type { Step } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';

/** Tables whose rows address media, old (`file_url`) and new (`file_key`). */
const TABLES = ['library_tracks', 'uploads'] as const;
const BATCH = 500;
const TRIGGER = 'crossfade_media_address';

/**
 * Keeps both addresses of a row in step while both worlds live: whoever writes one gets the other beside it. Its
 * arguments are what stands before the key in a public URL: the marker to find it by, and the whole beginning.
 */
const TRIGGER_FUNCTION = `
create or replace function ${TRIGGER}() returns trigger language plpgsql as $$
begin
  if new.file_key is null and position(tg_argv[0] in new.file_url) > 0 then
    new.file_key := substring(new.file_url from position(tg_argv[0] in new.file_url) + length(tg_argv[0]));
  elsif new.file_url is null and new.file_key is not null then
    new.file_url := tg_argv[1] || new.file_key;
  end if;
  return new;
end $$`;

const marker = ({ config }: RolloutContext): string =>
  `/object/public/${config.environments.production.supabase.bucket}/`;

/** Rows that lack the key or the URL that the other side addresses them by. */
export async function rowsWithout(context: RolloutContext): Promise<{ keys: number; urls: number }> {
  let keys = 0;
  let urls = 0;
  for (const table of TABLES) {
    const [row] = await context.providers.database.production.query<{ keys: string; urls: string }>(
      `select count(*) filter (where file_key is null and position($1 in file_url) > 0) as keys,
              count(*) filter (where file_url is null and file_key is not null) as urls from ${table}`,
      [marker(context)],
    );
    keys += Number(row?.keys ?? 0);
    urls += Number(row?.urls ?? 0);
  }
  return { keys, urls };
}

/** Tables on which the trigger is at work. */
async function triggered(context: RolloutContext): Promise<string[]> {
  const rows = await context.providers.database.production.query<{ name: string }>(
    'select tgrelid::regclass::text as name from pg_trigger where tgname = $1 order by 1',
    [TRIGGER],
  );
  return rows.map((row) => row.name);
}

async function createTriggers(context: RolloutContext): Promise<void> {
  const { production } = context.providers.database;
  await production.query(TRIGGER_FUNCTION);
  const base = `${context.config.environments.production.worker.mediaOrigin}/storage/v1${marker(context)}`;
  for (const table of TABLES) {
    const [made] = await production.query<{ statement: string }>(
      `select format('create or replace trigger ${TRIGGER} before insert or update on ${table} for each row execute function ${TRIGGER}(%L, %L)', $1::text, $2::text) as statement`,
      [marker(context), base],
    );
    await production.query(made?.statement ?? '');
  }
}

async function dropTriggers(context: RolloutContext): Promise<void> {
  await context.providers.database.production.query(`drop function if exists ${TRIGGER}() cascade`);
}

/** Touches rows that lack one of the two addresses, in batches without long locks; the trigger fills them. */
async function backfill(context: RolloutContext): Promise<number> {
  let filled = 0;
  for (const table of TABLES) {
    for (;;) {
      const rows = await context.providers.database.production.query(
        `with batch as (
           select id from ${table} where (file_key is null and position($1 in file_url) > 0) or (file_url is null and file_key is not null)
           limit ${BATCH} for update skip locked)
         update ${table} t set title = t.title from batch where batch.id = t.id returning t.id`,
        [marker(context)],
      );
      filled += rows.length;
      if (rows.length < BATCH) break;
    }
  }
  return filled;
}

/** The triggers are at work and no row lacks an address. Doing it twice does no harm. */
export async function keepAddressesInStep(context: RolloutContext): Promise<{ filled: number }> {
  if ((await triggered(context)).length < TABLES.length) await createTriggers(context);
  return { filled: await backfill(context) };
}

/** Every row that addresses media has both addresses, now and as long as both worlds write. */
export function fileKeysStep(): Step<{ keys: number; urls: number }> {
  return {
    id: 'production.fileKeys',
    title: 'Database rows have file_key and file_url, kept in step',
    proves: [],
    look: rowsWithout,
    run: keepAddressesInStep,
    async verify(context) {
      const [without, tables] = [await rowsWithout(context), await triggered(context)];
      return verdict(without.keys === 0 && without.urls === 0 && tables.length === TABLES.length, {
        summary: `${without.keys} rows without a key, ${without.urls} without a URL; kept in step on ${tables.join(', ')}`,
        measured: { ...without, triggers: tables },
        expected: { keys: 0, urls: 0, triggers: [...TABLES] },
      });
    },
    async compensate(context) {
      await dropTriggers(context);
      let cleared = 0;
      for (const table of TABLES) {
        const rows = await context.providers.database.production.query(
          `update ${table} set file_key = null where file_key is not null and position($1 in file_url) > 0 returning id`,
          [marker(context)],
        );
        cleared += rows.length;
      }
      return { cleared };
    },
  };
}

/** The old world is over: nothing keeps `file_url` in step any more. The column itself goes with the code that reads it. */
export function endFileUrlsStep(): Step<{ tables: string[] }> {
  return {
    id: 'cleanup.endFileUrls',
    title: 'Database rows no longer get a file_url',
    proves: [],
    look: async (context) => ({ tables: await triggered(context) }),
    async run(context) {
      await dropTriggers(context);
      return { dropped: TRIGGER };
    },
    async verify(context) {
      const tables = await triggered(context);
      return verdict(tables.length === 0, {
        summary: tables.length === 0 ? 'no trigger is left' : `still on ${tables.join(', ')}`,
        measured: tables,
        expected: [],
      });
    },
    async compensate(context, before) {
      if (before.tables.length === 0) return { already: true };
      return keepAddressesInStep(context);
    },
  };
}
