import type { EnvironmentName } from '../../rollout/config.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { Step } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';

/** What the Worker reads and writes by: each statement adds what is missing and touches nothing that is there. */
const PARTS: readonly { readonly name: string; readonly there: string; readonly add: string }[] = [
  ...(['uploads', 'library_tracks'] as const).map((table) => ({
    name: `${table}.file_key`,
    there: `select 1 from information_schema.columns where table_schema = 'public' and table_name = '${table}' and column_name = 'file_key'`,
    add: `alter table public.${table} add column if not exists file_key text`,
  })),
  {
    name: 'uploads_file_key',
    there: `select 1 from pg_indexes where schemaname = 'public' and indexname = 'uploads_file_key'`,
    // An upload that arrives twice is one row.
    add: 'create unique index if not exists uploads_file_key on public.uploads (file_key) where file_key is not null',
  },
  {
    name: 'library_tracks_file_key',
    there: `select 1 from pg_indexes where schemaname = 'public' and indexname = 'library_tracks_file_key'`,
    add: 'create index if not exists library_tracks_file_key on public.library_tracks (file_key)',
  },
];

async function missing({ providers }: RolloutContext, environment: EnvironmentName): Promise<typeof PARTS> {
  const found = await Promise.all(PARTS.map(({ there }) => providers.database[environment].query(there)));
  return PARTS.filter((_, index) => found[index]?.length === 0);
}

/** The database has the columns and indexes that the Worker addresses media by. */
export function databaseStep(environment: EnvironmentName): Step<{ missing: string[] }> {
  return {
    id: `${environment}.database`,
    title: `Database of ${environment} addresses media by key`,
    proves: [],
    look: async (context) => ({ missing: (await missing(context, environment)).map((part) => part.name) }),
    async run(context) {
      const lacking = await missing(context, environment);
      for (const { add } of lacking) await context.providers.database[environment].query(add);
      return { added: lacking.map((part) => part.name) };
    },
    async verify(context) {
      const lacking = (await missing(context, environment)).map((part) => part.name);
      return verdict(lacking.length === 0, {
        summary: lacking.length === 0 ? `${PARTS.length} parts are there` : `missing: ${lacking.join(', ')}`,
        measured: lacking,
        expected: [],
      });
    },
    // A column more harms nobody, and may hold keys by now.
    compensate: async (_context, before) => ({ left: before.missing }),
  };
}
