import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { DatabaseServer } from '@crossfade/database-server';
import { startTemporaryDatabase } from '@crossfade/database-server/temporary';
import { Pool } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createJournalTable, openJournal, type Journal } from '../rollout/journal.ts';
import { LockedError, LockLost, openOperatorSession, thisOperator, type OperatorSession } from './operator-session.ts';

const CHILD = fileURLToPath(new URL('fixtures/operator-child.ts', import.meta.url));
const ROLLOUT = 'audafact-1';
let server: DatabaseServer;
let pool: Pool;
let journal: Journal;
const open: OperatorSession[] = [];

beforeAll(async () => {
  server = await startTemporaryDatabase('one');
  pool = new Pool({ connectionString: server.url('one'), max: 2 });
  pool.on('error', () => {});
  await createJournalTable(pool);
  journal = openJournal(pool, ROLLOUT, (value) => value);
});
afterEach(async () => {
  for (const session of open.splice(0)) await session.release();
});
afterAll(async () => {
  await pool.end();
  await server.stop();
});

async function take(name: string, rollout = ROLLOUT, after = 0): Promise<OperatorSession> {
  const session = await openOperatorSession({
    databaseUrl: server.url('one'),
    rollout,
    operator: thisOperator('cutover', name),
    decidedAfter: async () => after,
  });
  open.push(session);
  return session;
}

describe('an operator', () => {
  it('who comes second is refused with the name of the first, who goes on undisturbed', async () => {
    const first = await take('Ada');
    await expect(take('Grace')).rejects.toThrow(LockedError);
    await expect(take('Grace')).rejects.toThrow(/audafact-1 is driven by Ada \(cutover, process \d+ on /);
    await first.assertHeld();
  });

  it('is alone on one rollout only, and leaves it for the next', async () => {
    const first = await take('Ada');
    const other = await take('Grace', 'audafact-2');
    await other.assertHeld();
    open.splice(open.indexOf(first), 1);
    await first.release();
    await (await take('Grace')).assertHeld();
  });

  it('who was killed leaves the rollout to whoever comes next', async () => {
    const child = spawn(process.execPath, ['--disable-warning=DeprecationWarning', CHILD, server.url('one'), ROLLOUT], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    await (await take('Grace')).assertHeld();
  });

  it('who lost the connection is stopped before the next side effect', async () => {
    const session = await take('Ada');
    await session.assertHeld();
    await pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and query like '%operators%'`,
    );
    await expect(session.assertHeld()).rejects.toThrow(LockLost);
    expect(session.lost.aborted).toBe(true);
    open.splice(0);
  });

  it('whose place was taken by another is told so', async () => {
    const session = await take('Ada');
    await pool.query('update crossfade.operators set epoch = epoch + 1 where rollout = $1', [ROLLOUT]);
    await expect(session.assertHeld()).rejects.toThrow('somebody else took it over');
  });

  it('hears what is decided elsewhere, and not what was decided before', async () => {
    const decide = (decision: 'hold' | 'go' | 'abort') =>
      journal.append({ kind: 'operator.decided', data: { decision, as: 'Grace', note: '' } }, { phase: null });
    const { seq } = await decide('abort');
    const session = await take('Ada', ROLLOUT, seq);
    expect(session.decisions.heldBy()).toBeNull();
    await decide('hold');
    await expect.poll(() => session.decisions.heldBy()).toBe('Grace');
    await decide('go');
    await session.decisions.untilGo();
    await decide('abort');
    expect((await session.decisions.aborted).measure).toBe('aborted by Grace');
  });

  it('finds on coming back what was decided meanwhile', async () => {
    const before = (await journal.append({ kind: 'note', data: { text: 'begun' } }, { phase: null })).seq;
    await journal.append(
      { kind: 'operator.decided', data: { decision: 'hold', as: 'Grace', note: '' } },
      { phase: null },
    );
    expect((await take('Ada', ROLLOUT, before)).decisions.heldBy()).toBe('Grace');
  });
});
