import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { findDatabaseServer, startDatabaseServer } from '@crossfade/database-server';
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
 * `DATABASE_URL`, which several machines may share, or the embedded Postgres of this checkout. One that another
 * command started serves this one too, and stays with it.
 */
export async function openRolloutDatabase(env: Env): Promise<RolloutDatabase> {
  const places = await rehearsalPlaces(process.cwd());
  const given = env['DATABASE_URL'];
  if (given !== undefined && given !== '') return { url: given, places, close: async () => {} };
  const folder = join(dirname(places.engine), 'rollouts');
  const password = await databasePassword(join(places.root, 'database.key'));
  const running = await findDatabaseServer(folder);
  const server = await startDatabaseServer({ folder, databases: ['crossfade'], password });
  return {
    url: server.url('crossfade'),
    places,
    close: async () => (running === null ? server.stop() : undefined),
  };
}

/** The embedded database's password: made once, for this machine's address only. */
async function databasePassword(file: string): Promise<string> {
  const known = await readFile(file, 'utf8').catch(() => null);
  if (known !== null) return known;
  const made = randomBytes(16).toString('hex');
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, made, { mode: 0o600 });
  return made;
}
