import { createHash } from 'node:crypto';
import type { ObjectStore, ToldKey, WriteKind } from '../../providers/providers.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { eachAtOnce } from '../../transfer/each-at-once.ts';

/** Keys whose rows are asked for at once. */
const ROWS_AT_ONCE = 200;
/** What changes while it is looked at is looked at again, so often. */
const MOST_ROUNDS = 5;

/** One operation that an uploader was told succeeded, and that is not to be seen. */
export interface LostWrite {
  readonly key: string;
  readonly kind: WriteKind;
  readonly reason: string;
}

export interface WritesCompared {
  readonly keys: number;
  /** Keys of which the uploaders lost an answer: one of two states is right there. */
  readonly uncertain: number;
  readonly lost: readonly LostWrite[];
}

interface Stores {
  /** Holds every byte. */
  readonly holds: ObjectStore;
  /** Hold nothing that was deleted through the Worker, as little as `holds`; what the old app deletes it does not reach. */
  readonly also: readonly ObjectStore[];
}

/**
 * Compares, byte by byte through SHA-256, what the uploaders were told with what the stores hold and what the rows
 * say: the bytes of the last upload or overwrite and a row, or neither after a delete. Where an answer was lost either
 * state is right, any third one is not. The uploaders may go on meanwhile. `null` where nobody outside kept count.
 */
export async function compareWrites(context: RolloutContext, stores: Stores): Promise<WritesCompared | null> {
  const { audience } = context.providers;
  if (audience === null) return null;
  const lost: LostWrite[] = [];
  const { keys: all } = await audience.told();
  let keys = all;
  for (let round = 1; keys.length > 0; round++) {
    const found = await compareKeys(context, stores, keys);
    if (found.length === 0) break;
    const versions = new Map(keys.map((one) => [one.key, one.version]));
    const now = new Map((await audience.told()).keys.map((one) => [one.key, one]));
    const changed = new Set(
      found.map(({ key }) => key).filter((key) => now.get(key)?.version !== versions.get(key) && round < MOST_ROUNDS),
    );
    lost.push(...found.filter(({ key }) => !changed.has(key)));
    keys = [...now.values()].filter(({ key }) => changed.has(key));
  }
  return { keys: all.length, uncertain: all.filter(({ may }) => may.length > 1).length, lost };
}

async function compareKeys(context: RolloutContext, stores: Stores, keys: readonly ToldKey[]): Promise<LostWrite[]> {
  const lost: LostWrite[] = [];
  for (let start = 0; start < keys.length; start += ROWS_AT_ONCE) {
    const some = keys.slice(start, start + ROWS_AT_ONCE);
    await eachAtOnce(some, context.config.transfer.concurrency, async (told) => {
      const reason = await objectReason(stores, told);
      if (reason !== null) lost.push({ key: told.key, kind: kindOf(told), reason });
    });
    const rows = await keysWithRow(context, some);
    const known = new Set(lost.map(({ key }) => key));
    for (const told of some) {
      const reason = known.has(told.key) ? null : rowReason(told, rows.has(told.key));
      if (reason !== null) lost.push({ key: told.key, kind: kindOf(told), reason });
    }
  }
  return lost;
}

const kindOf = ({ may, last }: ToldKey): WriteKind =>
  may.every((one) => one === null) ? 'delete' : (last ?? 'upload');

async function objectReason({ holds, also }: Stores, { key, may, side }: ToldKey): Promise<string | null> {
  const stored = await sha256In(holds, key);
  if (!may.includes(stored)) {
    if (stored === null) return `missing in ${holds.label}`;
    return may.every((one) => one === null) ? `still in ${holds.label}` : `other bytes in ${holds.label}`;
  }
  if (side !== 'edge' || may.some((one) => one !== null)) return null;
  for (const store of also) if ((await store.head(key)) !== null) return `still in ${store.label}`;
  return null;
}

function rowReason({ may }: ToldKey, hasRow: boolean): string | null {
  if (may.length > 1) return null;
  if (may[0] === null) return hasRow ? 'its row is still there' : null;
  return hasRow ? null : 'its row is missing';
}

async function sha256In(store: ObjectStore, key: string): Promise<string | null> {
  const stored = await store.get(key);
  if (stored === null) return null;
  const hash = createHash('sha256');
  for await (const chunk of stored.body) hash.update(chunk);
  return hash.digest('hex');
}

/** Which of the keys have a row, whether it names them in the old way or the new. */
async function keysWithRow({ config, providers }: RolloutContext, keys: readonly ToldKey[]): Promise<Set<string>> {
  const { supabase } = config.environments.production;
  const marker = `/object/public/${supabase.bucket}/`;
  const rows = await providers.database.production.query<{ key: string }>(
    `with named as (
       select coalesce(file_key, substring(file_url from position($1 in file_url) + length($1))) as key from uploads)
     select key from named where key = any($2::text[])`,
    [marker, keys.map(({ key }) => key)],
  );
  return new Set(rows.map(({ key }) => key));
}
