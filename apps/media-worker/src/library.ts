import { Client, type QueryResultRow } from 'pg';
import { ApiError } from './api-error.ts';
import type { Env } from './env.ts';

export type Tier = 'free' | 'pro' | 'enterprise';

export interface Track {
  readonly id: string;
  readonly title: string;
  readonly key: string;
  readonly isProOnly: boolean;
  readonly contentType: string | null;
  readonly sizeBytes: number | null;
}
export interface Upload {
  readonly id: string;
  readonly title: string | null;
  readonly key: string;
  readonly contentType: string | null;
  readonly sizeBytes: number | null;
  readonly createdAt: string;
}

/** Rows change rarely; so long may an answer be old, ms. */
const CACHE_MS = 30_000;
const MOST_CACHED = 10_000;

/** One isolate's memory of what Postgres said. */
const remembered = new Map<string, { at: number; value: unknown }>();

async function cached<Value>(name: string, read: () => Promise<Value>): Promise<Value> {
  const found = remembered.get(name);
  if (found !== undefined && Date.now() - found.at < CACHE_MS) return found.value as Value;
  const value = await read();
  if (remembered.size >= MOST_CACHED) remembered.clear();
  remembered.set(name, { at: Date.now(), value });
  return value;
}

/** While both worlds live, a row has its key in `file_key` or at the end of its public URL. */
const KEY = `coalesce(file_key, substring(file_url from position($1 in file_url) + length($1)))`;
const marker = (env: Env): string => `/object/public/${env.LEGACY_BUCKET}/`;

async function query<Row extends QueryResultRow>(env: Env, text: string, values: readonly unknown[]): Promise<Row[]> {
  const client = new Client({
    connectionString: env.DATABASE.connectionString,
    connectionTimeoutMillis: 5000,
    query_timeout: 5000,
  });
  try {
    await client.connect();
    return (await client.query<Row>(text, [...values])).rows;
  } catch (error) {
    console.error('database', error instanceof Error ? error.message : error);
    throw new ApiError(503, 'DATABASE_UNAVAILABLE', 'the database does not answer; try again', { 'retry-after': '2' });
  } finally {
    await client.end().catch(() => {});
  }
}

/** Whether the database answers. */
export async function databaseAlive(env: Env): Promise<boolean> {
  await query(env, 'select 1', []);
  return true;
}

/** A user without a profile is on the free tier. */
export function tierOf(env: Env, userId: string): Promise<Tier> {
  return cached(`tier ${userId}`, async () => {
    const [row] = await query<{ tier: Tier }>(env, 'select tier from profiles where id = $1', [userId]);
    return row?.tier ?? 'free';
  });
}

/** Whether a library track is for paying users only; `null` when no row knows the key. */
export function libraryAccess(env: Env, key: string): Promise<{ isProOnly: boolean } | null> {
  return cached(`library ${key}`, async () => {
    const [row] = await query<{ is_pro_only: boolean }>(
      env,
      `select is_pro_only from library_tracks where file_key = $2 or preview_key = $2 or (file_key is null and ${KEY} = $2) limit 1`,
      [marker(env), key],
    );
    return row === undefined ? null : { isProOnly: row.is_pro_only };
  });
}

export async function listLibrary(env: Env): Promise<Track[]> {
  const rows = await query<{
    id: string;
    title: string;
    key: string;
    is_pro_only: boolean;
    content_type: string | null;
    size_bytes: string | null;
  }>(
    env,
    `select id::text, title, ${KEY} as key, is_pro_only, content_type, size_bytes from library_tracks order by title limit 1000`,
    [marker(env)],
  );
  return rows.map((row) => ({
    id: row.id,
    title: row.title,
    key: row.key,
    isProOnly: row.is_pro_only,
    contentType: row.content_type,
    sizeBytes: row.size_bytes === null ? null : Number(row.size_bytes),
  }));
}

export async function listUploads(env: Env, userId: string): Promise<Upload[]> {
  const rows = await query<{
    id: string;
    title: string | null;
    key: string;
    content_type: string | null;
    size_bytes: string | null;
    created_at: Date;
  }>(
    env,
    `select id::text, title, ${KEY} as key, content_type, size_bytes, created_at from uploads
     where user_id = $2 order by created_at desc limit 500`,
    [marker(env), userId],
  );
  return rows.map((row) => ({
    id: row.id,
    title: row.title,
    key: row.key,
    contentType: row.content_type,
    sizeBytes: row.size_bytes === null ? null : Number(row.size_bytes),
    createdAt: row.created_at.toISOString(),
  }));
}

/** Notes an upload that arrived; arriving again changes nothing but the time. */
export async function recordUpload(
  env: Env,
  upload: {
    userId: string;
    key: string;
    title: string;
    contentType: string;
    sizeBytes: number;
    fileUrl: string | null;
  },
): Promise<void> {
  await query(
    env,
    `insert into uploads (user_id, file_key, file_url, title, content_type, size_bytes) values ($1, $2, $3, $4, $5, $6)
     on conflict (file_key) where file_key is not null
     do update set size_bytes = excluded.size_bytes, content_type = excluded.content_type, updated_at = now()`,
    [upload.userId, upload.key, upload.fileUrl, upload.title, upload.contentType, upload.sizeBytes],
  );
}

export async function forgetUpload(env: Env, key: string): Promise<void> {
  await query(env, `delete from uploads where file_key = $2 or (file_key is null and ${KEY} = $2)`, [marker(env), key]);
}
