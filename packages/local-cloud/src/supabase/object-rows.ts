import type { Pool } from 'pg';
import { asCaller, sqlState, tryAsCaller, type Who } from './caller-session.ts';
import type { NewObject, StoredObject } from './object-store.ts';
import { StorageError } from './storage-error.ts';

interface Row {
  id: string;
  name: string;
  version: string;
  owner_id: string | null;
  metadata: { eTag: string; size: number; mimetype?: string; cacheControl?: string };
  user_metadata: Record<string, unknown> | null;
  created_at: Date;
  updated_at: Date;
}
const COLUMNS = 'id, name, version, owner_id, metadata, user_metadata, created_at, updated_at';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const toObject = (row: Row): StoredObject => ({
  id: row.id,
  name: row.name,
  version: row.version,
  size: row.metadata.size,
  etag: row.metadata.eTag.slice(1, -1),
  mimetype: row.metadata.mimetype ?? null,
  cacheControl: row.metadata.cacheControl ?? null,
  userMetadata: row.user_metadata ?? {},
  owner: row.owner_id,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

export interface Blob {
  readonly version: string;
  readonly size: number;
  /** Unquoted. */
  readonly etag: string;
}
export interface ListOptions {
  readonly prefix: string;
  readonly after: string;
  readonly limit: number;
}
/** What a folder's listing over REST may be sorted by. */
export const SORT_COLUMNS = ['name', 'updated_at', 'created_at', 'last_accessed_at'] as const;
export interface SearchOptions {
  /** With its slash at the end, unless it is empty. */
  readonly prefix: string;
  readonly search: string;
  readonly limit: number;
  readonly offset: number;
  readonly sort: { readonly column: (typeof SORT_COLUMNS)[number]; readonly order: 'asc' | 'desc' };
}
/** A level of a bucket: objects, and folders that have no row of their own. */
export type LevelEntry = { readonly name: string; readonly object: StoredObject | null };

/** The rows of `storage.objects`; whoever asks sees and writes what the policies leave him. */
export function createObjectRows(pool: Pool) {
  async function query<Result extends object>(who: Who, text: string, values: unknown[]): Promise<Result[]> {
    // The service key passes every policy (BYPASSRLS), and is what most requests come with.
    if (who === 'server' || who.role === 'service_role') return (await pool.query<Result>(text, values)).rows;
    return asCaller(pool, who, async (client) => (await client.query<Result>(text, values)).rows);
  }

  return {
    async find(who: Who, bucket: string, name: string): Promise<StoredObject | null> {
      const [row] = await query<Row>(who, `select ${COLUMNS} from storage.objects where bucket_id = $1 and name = $2`, [
        bucket,
        name,
      ]);
      return row === undefined ? null : toObject(row);
    },
    async list(who: Who, bucket: string, { prefix, after, limit }: ListOptions): Promise<StoredObject[]> {
      const rows = await query<Row>(
        who,
        `select ${COLUMNS} from storage.objects
         where bucket_id = $1 and starts_with(name, $2) and name collate "C" > $3 order by name collate "C" limit $4`,
        [bucket, prefix, after, limit],
      );
      return rows.map(toObject);
    },
    /**
     * One level, folders first, as the server's `storage.search` does it: prefix and search together are the
     * beginning of a name, in whatever case, and `%` and `_` in them stand for others.
     */
    async search(who: Who, bucket: string, options: SearchOptions): Promise<LevelEntry[]> {
      const { prefix, search, limit, offset, sort } = options;
      const level = prefix.split('/').length;
      const rows = await query<Row & { entry: string; is_folder: boolean }>(
        who,
        `with found as (
           select *, path_tokens[$4] as entry, array_length(path_tokens, 1) > $4 as is_folder
           from storage.objects where bucket_id = $1 and name ilike $2 || $3 || '%')
         (select distinct on (entry) null::uuid as id, null as name, null as version, null as owner_id, null::jsonb as metadata,
            null::jsonb as user_metadata, null::timestamptz as created_at, null::timestamptz as updated_at, entry, true as is_folder
          from found where is_folder order by entry ${sort.order})
         union all
         (select ${COLUMNS}, entry, false from found where not is_folder order by ${sort.column} ${sort.order})
         limit $5 offset $6`,
        [bucket, prefix, search, level, limit, offset],
      );
      return rows.map((row) => ({ name: row.entry, object: row.is_folder ? null : toObject(row) }));
    },
    /** Names that were there and that the policies let go. */
    async remove(who: Who, bucket: string, names: readonly string[]): Promise<StoredObject[]> {
      const rows = await query<Row>(
        who,
        `delete from storage.objects where bucket_id = $1 and name = any($2) returning ${COLUMNS}`,
        [bucket, names],
      );
      return rows.map(toObject);
    },
    /** Tries the row before a byte of the body is read, as the server does. Throws `StorageError`. */
    async mustBeWritable(who: Who, bucket: string, name: string, upsert: boolean): Promise<void> {
      if (who === 'server' || who.role === 'service_role') {
        if (!upsert && (await this.find('server', bucket, name)) !== null) throw new StorageError('KeyAlreadyExists');
        return;
      }
      const onConflict = upsert
        ? 'on conflict (bucket_id, name collate "C") do update set owner_id = excluded.owner_id'
        : '';
      try {
        await tryAsCaller(pool, who, async (client) => {
          await client.query(
            `insert into storage.objects (bucket_id, name, owner_id, metadata, version) values ($1, $2, $3, '{}', '') ${onConflict}`,
            [bucket, name, who.sub],
          );
        });
      } catch (error) {
        const state = sqlState(error);
        if (state === '42501') throw new StorageError('AccessDenied');
        if (state === '23505') throw new StorageError('KeyAlreadyExists');
        throw error;
      }
    },
    /** Makes a written blob the object of this name; the version that it replaces comes back beside it. */
    async publish(
      bucket: string,
      name: string,
      blob: Blob,
      meta: NewObject,
      upsert: boolean,
    ): Promise<{ stored: StoredObject | null; replaced: string | null }> {
      const owner = meta.owner ?? null;
      const metadata = {
        eTag: `"${blob.etag}"`,
        size: blob.size,
        mimetype: meta.mimetype ?? 'application/octet-stream',
        cacheControl: meta.cacheControl ?? 'no-cache',
        lastModified: new Date().toISOString(),
        contentLength: blob.size,
        httpStatusCode: 200,
      };
      const { rows } = await pool.query<Row & { replaced: string | null }>(
        `with before as (select version as replaced from storage.objects where bucket_id = $1 and name = $2)
         insert into storage.objects (bucket_id, name, version, owner, owner_id, metadata, user_metadata)
         values ($1,$2,$3,$4,$5,$6,$7) on conflict (bucket_id, name collate "C") ${
           upsert
             ? `do update set version = excluded.version, metadata = excluded.metadata, user_metadata = excluded.user_metadata,
                owner = excluded.owner, owner_id = excluded.owner_id, updated_at = now()`
             : 'do nothing'
         } returning ${COLUMNS}, (select replaced from before) as replaced`,
        [
          bucket,
          name,
          blob.version,
          owner !== null && UUID.test(owner) ? owner : null,
          owner,
          JSON.stringify(metadata),
          JSON.stringify(meta.userMetadata),
        ],
      );
      const [row] = rows;
      return row === undefined ? { stored: null, replaced: null } : { stored: toObject(row), replaced: row.replaced };
    },
    async rename(who: Who, from: { bucket: string; name: string }, to: { bucket: string; name: string }) {
      const [row] = await query<Row>(
        who,
        `update storage.objects set bucket_id = $3, name = $4, updated_at = now()
         where bucket_id = $1 and name = $2 returning ${COLUMNS}`,
        [from.bucket, from.name, to.bucket, to.name],
      );
      return row === undefined ? null : toObject(row);
    },
  };
}

export type ObjectRows = ReturnType<typeof createObjectRows>;
