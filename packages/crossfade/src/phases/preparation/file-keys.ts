import type { Stage } from '../../migrations/migration-files.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { Step } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { addressValues, bringTo, conditions, databaseStage, writeInBatches } from '../environment/media-rows.ts';
import { expectOneRowPerMedium, refusedAsSecond } from '../environment/shared-media.ts';

/** The trigger that keeps a row's two addresses in step, by the name that the migrations give it. */
const TRIGGER = 'crossfade_media_address';

interface Without {
  keys: number;
  urls: number;
}

/** Rows that lack the key or the URL that the other side addresses them by. */
export async function rowsWithout(context: RolloutContext): Promise<Without> {
  const { keys, urls } = await countRows(context, '0');
  return { keys, urls };
}

/** Also counts rows whose two addresses name different objects, by the SQL condition. */
async function countRows(context: RolloutContext, contradicting: string): Promise<Without & { contradicting: number }> {
  const { lacksKey, lacksUrl } = conditions(context.config.mediaRows);
  const { marker } = addressValues(context, 'production');
  const sum = { keys: 0, urls: 0, contradicting: 0 };
  for (const table of context.config.mediaRows.tables) {
    const [row] = await context.providers.database.production.query<Record<keyof typeof sum, string>>(
      `select count(*) filter (where ${lacksKey}) as keys, count(*) filter (where ${lacksUrl}) as urls, ${contradicting} as contradicting from ${table}`,
      [marker],
    );
    sum.keys += Number(row?.keys ?? 0);
    sum.urls += Number(row?.urls ?? 0);
    sum.contradicting += Number(row?.contradicting ?? 0);
  }
  return sum;
}

/** Tables on which the trigger is at work. */
export async function triggered(context: RolloutContext): Promise<string[]> {
  const rows = await context.providers.database.production.query<{ name: string }>(
    `select n.nspname || '.' || c.relname as name from pg_trigger t
     join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
     where t.tgname = $1 and t.tgenabled <> 'D' order by 1`,
    [TRIGGER],
  );
  return rows.map((row) => row.name);
}

/**
 * The triggers are at work and no row lacks an address. Doing it twice does no harm.
 * @throws SharedMedium when rows cannot get their keys because they share one; by then each has the URL that it can have
 */
export async function keepAddressesInStep(context: RolloutContext): Promise<{ up: readonly string[]; filled: number }> {
  const { up } = await bringTo(context, 'production', 'keep_in_step');
  const { tables, keyColumn } = context.config.mediaRows;
  const { lacksKey, lacksUrl } = conditions(context.config.mediaRows);
  let filled = 0;
  // A dry run only imagines that the column was added.
  if (up.some((name) => name.includes('expand')) && !(await hasKeyColumn(context))) return { up, filled };
  // Touching a row is enough: the trigger fills it. URLs first: a way back needs those alone, and none can be refused.
  for (const lacks of [`(${lacksUrl} and not ${lacksKey})`, lacksKey])
    for (const table of tables)
      filled += await writeInBatches(context, table, lacks, `${keyColumn} = t.${keyColumn}`).catch(
        async (error: unknown) => {
          if (refusedAsSecond(error)) await expectOneRowPerMedium(context);
          throw error;
        },
      );
  return { up, filled };
}

/** Every row that addresses media has both addresses, now and as long as both worlds write. */
export function fileKeysStep(): Step<Without & { stage: Stage | null }> {
  return {
    id: 'production.fileKeys',
    title: 'Database rows have file_key and file_url, kept in step',
    proves: [],
    async look(context) {
      const stage = await databaseStage(context, 'production');
      // Before the column is there, nobody can say which rows lack a key.
      return { stage, ...((await hasKeyColumn(context)) ? await rowsWithout(context) : { keys: 0, urls: 0 }) };
    },
    async run(context) {
      // Before anything is changed: with the triggers at work, half of the rows filled is no place to stop at.
      if (await hasKeyColumn(context)) await expectOneRowPerMedium(context);
      return keepAddressesInStep(context);
    },
    async verify(context) {
      const { urlColumn, keyColumn, tables } = context.config.mediaRows;
      const counted = await countRows(
        context,
        `count(*) filter (where ${keyColumn} is not null and ${urlColumn} is not null and crossfade_media.key_of(${urlColumn}, $1) is distinct from ${keyColumn})`,
      );
      const triggers = await triggered(context);
      const wrong = counted.keys + counted.urls + counted.contradicting;
      return verdict(wrong === 0 && tables.every((table) => triggers.includes(table)), {
        summary: `${counted.keys} rows without a key, ${counted.urls} without a URL, ${counted.contradicting} with two that contradict each other; kept in step on ${triggers.join(', ')}`,
        measured: { ...counted, triggers },
        expected: { keys: 0, urls: 0, contradicting: 0, triggers: [...tables] },
        mend: `where the two contradict each other, set ${keyColumn} to null to keep the URL's, then: crossfade prepare`,
      });
    },
    async compensate(context, before) {
      const { down } = await bringTo(context, 'production', before.stage);
      // What was filled in goes too: without the trigger a key would stay behind when its URL changes.
      if (before.keys === 0 || !(await hasKeyColumn(context))) return { down, cleared: 0 };
      const { tables, keyColumn } = context.config.mediaRows;
      const { keyIsInUrl } = conditions(context.config.mediaRows);
      let cleared = 0;
      for (const table of tables) cleared += await writeInBatches(context, table, keyIsInUrl, `${keyColumn} = null`);
      return { down, cleared };
    },
  };
}

async function hasKeyColumn({ config, providers }: RolloutContext): Promise<boolean> {
  const { tables, keyColumn } = config.mediaRows;
  const found = await providers.database.production.query(
    `select 1 from information_schema.columns where table_schema || '.' || table_name = any($1) and column_name = $2`,
    [[...tables], keyColumn],
  );
  return found.length === tables.length;
}
