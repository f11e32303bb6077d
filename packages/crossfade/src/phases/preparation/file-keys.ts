import type { RolloutContext } from '../../rollout/context.ts';
import type { Step } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';

/** Tables whose rows address media, old (`file_url`) and new (`file_key`). */
const TABLES = ['library_tracks', 'uploads'] as const;
const BATCH = 500;

const marker = ({ config }: RolloutContext): string => `/object/public/${config.environments.production.supabase.bucket}/`;

async function rowsWithoutKey(context: RolloutContext): Promise<number> {
  let count = 0;
  for (const table of TABLES) {
    const [row] = await context.providers.database.production.query<{ n: string }>(
      `select count(*) n from ${table} where file_key is null and position($1 in file_url) > 0`,
      [marker(context)],
    );
    count += Number(row?.n ?? 0);
  }
  return count;
}

/** Gives every row that has only a public URL its key, in batches without long locks. Answers with the rows filled. */
export async function backfillFileKeys(context: RolloutContext): Promise<number> {
  let filled = 0;
  for (const table of TABLES) {
    for (;;) {
      const rows = await context.providers.database.production.query(
        `with batch as (
           select id from ${table} where file_key is null and position($1 in file_url) > 0 limit ${BATCH} for update skip locked)
         update ${table} t set file_key = substring(t.file_url from position($1 in t.file_url) + length($1))
         from batch where batch.id = t.id returning t.id`,
        [marker(context)],
      );
      filled += rows.length;
      if (rows.length < BATCH) break;
    }
  }
  return filled;
}

/** Gives every row that the new side wrote its public URL, so that the old app finds it after a rollback. */
export async function backfillFileUrls(context: RolloutContext): Promise<number> {
  const { mediaOrigin } = context.config.environments.production.worker;
  const base = `${mediaOrigin}/storage/v1${marker(context)}`;
  let filled = 0;
  for (const table of TABLES) {
    const rows = await context.providers.database.production.query(
      `update ${table} set file_url = $1 || file_key where file_url is null and file_key is not null returning id`,
      [base],
    );
    filled += rows.length;
  }
  return filled;
}

/** Every row that addresses media by URL gets its key beside it; the URL stays, so both worlds read the same rows. */
export function fileKeysStep(): Step<{ without: number }> {
  return {
    id: 'production.fileKeys',
    title: 'Database rows have their file_key',
    proves: [],
    look: async (context) => ({ without: await rowsWithoutKey(context) }),
    run: async (context) => ({ filled: await backfillFileKeys(context) }),
    async verify(context) {
      const without = await rowsWithoutKey(context);
      return verdict(without === 0, { summary: `${without} rows without a key`, measured: without, expected: 0 });
    },
    async compensate(context) {
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
