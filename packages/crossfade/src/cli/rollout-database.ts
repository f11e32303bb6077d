import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { startDatabaseServer } from '@crossfade/database-server';
import { Client } from 'pg';
import { rehearsalPlaces, type Places } from '../rehearsal/places.ts';
import type { Env } from '../rollout/config.ts';

/** Where the journal and the engine's checkpoints of real rollouts lie. */
export interface RolloutDatabase {
  readonly url: string;
  readonly places: Places;
  /** Ends what was started for it; a database of the team's own is left alone. */
  close(): Promise<void>;
}

/**
 * `DATABASE_URL`, which several machines may share, or the embedded Postgres of this checkout. Several commands may use
 * that at once; the last one to leave ends it, whoever began it.
 */
export async function openRolloutDatabase(env: Env, checkout = process.cwd()): Promise<RolloutDatabase> {
  const places = await rehearsalPlaces(checkout);
  const given = env['DATABASE_URL'];
  if (given !== undefined && given !== '') return { url: given, places, close: async () => {} };
  const folder = join(dirname(places.engine), 'rollouts');
  const password = await databasePassword(join(places.root, 'database.key'));
  const server = await startDatabaseServer({ folder, databases: ['crossfade'], password });
  const url = server.url('crossfade');
  return { url, places, close: async () => ((await isUsedByOthers(url)) ? undefined : server.stop()) };
}

async function isUsedByOthers(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query(
      `select 1 from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() limit 1`,
    );
    return rows.length > 0;
  } finally {
    await client.end();
  }
}

/** The embedded database's password: made once, for this machine's address only. */
async function databasePassword(file: string): Promise<string> {
  const known = await readFile(file, 'utf8').catch(() => null);
  if (known !== null) return known;
  const made = randomBytes(16).toString('hex');
  await mkdir(dirname(file), { recursive: true });
  // Linked into its place: of two commands that make one at once, both go by the one that came first.
  const own = `${file}.${process.pid}`;
  await writeFile(own, made, { mode: 0o600 });
  try {
    await link(own, file);
    return made;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return readFile(file, 'utf8');
    throw error;
  } finally {
    await rm(own, { force: true });
  }
}
