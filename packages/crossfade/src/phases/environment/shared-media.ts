import { ProviderError } from '../../providers/provider-error.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { addressValues, conditions } from './media-rows.ts';

/** SQLSTATE: a unique index has such a row already. */
const UNIQUE_VIOLATION = '23505';
/** So many are named; one more tells that there are more. */
const MOST_NAMED = 10;

interface Shared {
  readonly url: string;
  readonly rows: readonly string[];
}

/** Rows address one object, and their table takes one row for each. */
export class SharedMedium extends Error {
  override readonly name = 'SharedMedium';
}

/** Whether the database refused a row because another one has its key. */
export const refusedAsSecond = (error: unknown): boolean =>
  error instanceof ProviderError && error.code === UNIQUE_VIOLATION;

/**
 * Looks for rows of production's that would get the same key, where a unique index takes it once. Needs the key column
 * and none of the migrations' functions, so that it can be asked before anything is changed.
 * @throws SharedMedium that names the rows, the URL that they share, and what to do
 */
export async function expectOneRowPerMedium(context: RolloutContext): Promise<void> {
  const found: string[] = [];
  for (const { table, index } of await uniqueKeys(context)) {
    const shared = await sharedIn(context, table);
    const named = shared
      .slice(0, MOST_NAMED)
      .map(({ url, rows }) => `${url} is the medium of the rows ${rows.join(', ')}`);
    const more = shared.length > MOST_NAMED ? ['and there are more'] : [];
    if (named.length > 0)
      found.push(`${table} has several rows of one medium, and ${index} takes one: ${[...named, ...more].join('; ')}`);
  }
  if (found.length === 0) return;
  throw new SharedMedium(
    `${found.join('. ')}. Of each, keep one row and delete the others, or copy the object and give each of the others the URL of a copy of its own; then: crossfade prepare`,
  );
}

/** Tables of which an index takes each key once. */
async function uniqueKeys({ config, providers }: RolloutContext): Promise<readonly { table: string; index: string }[]> {
  const { tables, keyColumn } = config.mediaRows;
  return providers.database.production.query<{ table: string; index: string }>(
    `select n.nspname || '.' || t.relname as table, c.relname as index from pg_index i
     join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid
     join pg_namespace n on n.oid = t.relnamespace
     join pg_attribute a on a.attrelid = t.oid and a.attname = $2
     where i.indisunique and i.indnkeyatts = 1 and i.indkey[0] = a.attnum and n.nspname || '.' || t.relname = any($1)
     order by 1, 2`,
    [[...tables], keyColumn],
  );
}

async function sharedIn(context: RolloutContext, table: string): Promise<readonly Shared[]> {
  const { urlColumn: url, keyColumn: key } = context.config.mediaRows;
  const { marker } = addressValues(context, 'production');
  const { lacksKey } = conditions(context.config.mediaRows);
  // The key's bytes, as the migrations' own function decodes them. What is no UTF-8 it takes undecoded: here two such
  // URLs count as one when they differ in the case of their digits alone.
  return context.providers.database.production.query<{ url: string; rows: string[] }>(
    `select url, rows from (
     with named as (
       select ctid as at, case when ${lacksKey} then null else nullif(${key}, '') end as key,
         case when ${lacksKey} then regexp_replace(substring(${url} from position($1 in ${url}) + length($1)), '[?#].*$', '') end as raw
       from ${table}),
     keyed as (
       select at, coalesce(convert_to(key, 'UTF8'), case when position('%' in raw) = 0 then convert_to(raw, 'UTF8') else (
         select string_agg(
           case when piece[1] ~ '^%[0-9a-fA-F]{2}$' then decode(substring(piece[1] from 2), 'hex') else convert_to(piece[1], 'UTF8') end,
           ''::bytea order by nth)
         from regexp_matches(raw, '%[0-9a-fA-F]{2}|[^%]+|%', 'g') with ordinality as pieces(piece, nth)) end) as bytes
       from named),
     shared as (
       select bytes from keyed where bytes is not null group by bytes having count(*) > 1 order by bytes limit ${MOST_NAMED + 1})
     select bytes, min(t.${url}) as url, array_agg(coalesce(to_jsonb(t) ->> 'id', t.ctid::text) order by t.ctid) as rows
     from shared join keyed using (bytes) join ${table} t on t.ctid = keyed.at
     group by bytes) as found order by bytes`,
    [marker],
  );
}
