import { userInfo } from 'node:os';
import type { Pool } from 'pg';
import { EXIT } from './exit-codes.ts';
import type { CommandFlags } from './main.ts';
import { withJournal } from './rollout-journal.ts';
import { UserError } from './user-error.ts';

const SAID = {
  hold: 'will stand still before its next phase',
  go: 'goes on',
  abort: 'is aborted: its steps are compensated, in reverse',
} as const;

/** `crossfade hold | approve | abort`: tells the process that drives the rollout, on whatever machine that is. */
export async function decideCommand(decision: 'hold' | 'go' | 'abort', flags: CommandFlags): Promise<number> {
  return withJournal(flags, async ({ pool, journal, rollout }) => {
    const driver = await driverOf(pool, rollout);
    if (driver === null)
      throw new UserError(
        'CROSSFADE_NOBODY_DRIVES',
        `nobody drives ${rollout} now, so nobody would hear it`,
        decision === 'abort' ? 'take it back yourself: crossfade rollback full' : 'go on with it: crossfade cutover',
        EXIT.failed,
      );
    const data = { decision, as: flags.as ?? userInfo().username, note: flags.note ?? '' };
    await journal.append({ kind: 'operator.decided', data }, { phase: null });
    const next = ['crossfade status'];
    if (flags.json === true) process.stdout.write(`${JSON.stringify({ rollout, ...data, driver, next })}\n`);
    process.stderr.write(`  ${rollout}, driven by ${driver}, ${SAID[decision]}\n`);
    return EXIT.done;
  });
}

/** Who drives a rollout, in words; `null` when its lock is free. */
export async function driverOf(pool: Pool, rollout: string): Promise<string | null> {
  const client = await pool.connect();
  try {
    const { rows } = await client.query<{ free: boolean }>(
      `select pg_try_advisory_lock(hashtextextended('crossfade/' || $1, 0)) as free`,
      [rollout],
    );
    if (rows[0]?.free === true) {
      await client.query(`select pg_advisory_unlock(hashtextextended('crossfade/' || $1, 0))`, [rollout]);
      return null;
    }
    const { rows: drivers } = await client.query<{ name: string; host: string; command: string }>(
      'select name, host, command from crossfade.operators where rollout = $1',
      [rollout],
    );
    const [driver] = drivers;
    return driver === undefined ? 'somebody' : `${driver.name} (${driver.command} on ${driver.host})`;
  } finally {
    client.release();
  }
}
