import type { DatabaseServer } from '@crossfade/database-server';
import { startTemporaryDatabase } from '@crossfade/database-server/temporary';
import { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createJournalTable, listRollouts, openJournal } from './journal.ts';
import { createRedaction } from './redaction.ts';

const CANARY = 'canary-7f3a9c-secret';
let server: DatabaseServer;
let pool: Pool;

beforeAll(async () => {
  server = await startTemporaryDatabase('crossfade');
  pool = new Pool({ connectionString: server.url('crossfade'), max: 4 });
  // The server ends idle connections when it is stopped.
  pool.on('error', () => {});
  await createJournalTable(pool);
});
afterAll(async () => {
  await pool.end();
  await server.stop();
});

const note = (text: string) => ({ kind: 'note' as const, data: { text } });
const open = (rollout: string) => openJournal(pool, rollout, createRedaction([CANARY]).json);

describe('the journal', () => {
  it('gives events back in the order they were written, each rollout for itself', async () => {
    const [one, other] = [open('in-order'), open('another')];
    for (const text of ['first', 'second', 'third']) {
      await one.append(note(text), { phase: 'staging' });
      await other.append(note('elsewhere'), { phase: null });
    }
    const events = await one.read();
    expect(events.map(({ data }) => data)).toEqual([{ text: 'first' }, { text: 'second' }, { text: 'third' }]);
    expect(await one.read(events[1]?.seq)).toHaveLength(1);
  });

  it('writes a key once, also when ten write it at the same time', async () => {
    const journal = open('once');
    const written = await Promise.all(
      Array.from({ length: 10 }, (_, index) => journal.append(note(`try ${index}`), { phase: null, key: 'the-key' })),
    );
    expect(new Set(written.map(({ id }) => id)).size).toBe(1);
    expect(await journal.read()).toHaveLength(1);
  });

  it('cannot be changed or emptied afterwards', async () => {
    await open('kept').append(note('kept'), { phase: null });
    await expect(pool.query(`update crossfade.journal set data = '{}'`)).rejects.toThrow('append-only');
    await expect(pool.query('delete from crossfade.journal')).rejects.toThrow('append-only');
    await expect(pool.query('truncate crossfade.journal')).rejects.toThrow('append-only');
  });

  it('holds no secret, whatever event brought it', async () => {
    const journal = open('canary');
    await journal.append(note(`the call with ${CANARY} failed`), { phase: null });
    await journal.append(
      { kind: 'step.finished', data: { title: 'x', ms: 1, result: { nested: [`Bearer ${CANARY}`] } } },
      { phase: 'staging', subject: 'x' },
    );
    const { rows } = await pool.query<{ line: string }>(`select j::text as line from crossfade.journal j`);
    for (const { line } of rows) expect(line).not.toContain(CANARY);
    expect(rows.some(({ line }) => line.includes('[redacted]'))).toBe(true);
  });

  it('tells who listens of each event, until they have heard enough', async () => {
    const journal = open('heard');
    const heard: string[] = [];
    const stop = journal.subscribe((event) => heard.push(event.kind));
    await journal.append(note('one'), { phase: null });
    stop();
    await journal.append(note('two'), { phase: null });
    expect(heard).toEqual(['note']);
  });

  it('says so when it cannot write, so that nothing goes on unrecorded', async () => {
    const closed = new Pool({ connectionString: server.url('crossfade') });
    await closed.end();
    await expect(openJournal(closed, 'x', (value) => value).append(note('x'), { phase: null })).rejects.toThrow();
  });

  it('lists the rollouts, the newest first', async () => {
    for (const rollout of ['older', 'newer']) {
      const data = { scenario: null, configHash: '', scale: null, plan: [] };
      await open(rollout).append({ kind: 'rollout.started', data }, { phase: null });
    }
    expect((await listRollouts(pool)).slice(0, 2)).toEqual(['newer', 'older']);
  });
});
