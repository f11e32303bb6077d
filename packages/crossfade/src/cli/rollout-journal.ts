import { Pool } from 'pg';
import type { RolloutConfig } from '../rollout/config.ts';
import { openJournal, type Journal } from '../rollout/journal.ts';
import { createRedaction, secretsOf } from '../rollout/redaction.ts';
import { readEnvironment } from './environment-file.ts';
import { DEFAULT_CONFIG, loadConfig } from './load-config.ts';
import type { CommandFlags } from './main.ts';
import { whichRollout } from './open-rollout.ts';
import { openRolloutDatabase } from './rollout-database.ts';

export interface RolloutJournal {
  readonly pool: Pool;
  readonly databaseUrl: string;
  readonly journal: Journal;
  readonly config: RolloutConfig;
  readonly rollout: string;
  readonly evidenceFolder: string;
}

/** Reads and writes the journal of the app's rollout without driving it. @throws UserError when none is under way */
export async function withJournal<Answer>(
  flags: CommandFlags,
  use: (opened: RolloutJournal) => Promise<Answer>,
): Promise<Answer> {
  const env = await readEnvironment(flags.env);
  const config = await loadConfig(flags.config ?? DEFAULT_CONFIG, env);
  const database = await openRolloutDatabase(env);
  const pool = new Pool({ connectionString: database.url, max: 2 });
  pool.on('error', () => {});
  try {
    const rollout = await whichRollout(database.url, config.name, false);
    const journal = openJournal(pool, rollout, createRedaction(secretsOf(config)).json);
    const evidenceFolder = `${database.places.evidence}/${rollout}`;
    return await use({ pool, databaseUrl: database.url, journal, config, rollout, evidenceFolder });
  } finally {
    await pool.end();
    await database.close();
  }
}
