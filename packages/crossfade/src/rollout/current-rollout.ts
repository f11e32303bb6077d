import type { Pool } from 'pg';

/** An id that tells the app and the second that the rollout began in. */
export function newRolloutId(app: string, now = new Date()): string {
  return `${app}-${now
    .toISOString()
    .replaceAll(/[-:]|\.\d+Z/g, '')
    .replace('T', '-')}`;
}

/** The newest rollout of an app that has not finished; `null` when there is none. The journal's table must exist. */
export async function currentRollout(pool: Pool, app: string): Promise<string | null> {
  const { rows } = await pool.query<{ rollout: string }>(
    `select rollout from crossfade.journal
     where rollout ~ ('^' || $1 || '-[0-9]{8}-[0-9]{6}$') and kind in ('run.started', 'rollout.finished')
     group by rollout having not bool_or(kind = 'rollout.finished')
     order by min(seq) desc limit 1`,
    [app.replaceAll(/[^a-zA-Z0-9_-]/g, '\\$&')],
  );
  return rows[0]?.rollout ?? null;
}
