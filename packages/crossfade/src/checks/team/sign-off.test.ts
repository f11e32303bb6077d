import type { DatabaseServer } from '@crossfade/database-server';
import { startTemporaryDatabase } from '@crossfade/database-server/temporary';
import { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RolloutConfig } from '../../rollout/config.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { Json } from '../../rollout/json.ts';
import { createJournalTable, openJournal, type Journal } from '../../rollout/journal.ts';
import type { Phase, PhaseId } from '../../rollout/plan.ts';
import { createRedaction } from '../../rollout/redaction.ts';
import { verdict } from '../../rollout/verdict.ts';
import { signOffCheck, withSignOffs } from './sign-off-check.ts';
import { evidenceHash, signGate } from './sign-off.ts';

const HOUR_MS = 3600_000;
const gates = { signOffs: ['cutover' as const], signOffExpiresMs: HOUR_MS, validationExpiresMs: HOUR_MS };
// Signing asks the config for its gates, nothing else.
const config = { gates } as RolloutConfig;
const ada = { gate: 'cutover', as: 'Ada', note: 'read the report' };

let server: DatabaseServer;
let pool: Pool;
let journal: Journal;
let rollouts = 0;
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
beforeEach(() => {
  journal = openJournal(pool, `signed-${++rollouts}`, createRedaction([]).json);
});

const measure = (claim: string, measured: Json, phase: PhaseId = 'preparation', holds = true) =>
  journal.append(
    {
      kind: 'check.verdict',
      data: {
        title: claim,
        proves: [claim],
        ms: 1,
        verdict: verdict(holds, { summary: 's', measured, expected: null }),
      },
    },
    { phase, subject: claim },
  );
const check = () => signOffCheck('cutover').run({ history: () => journal.read() } as unknown as RolloutContext);

describe('a sign-off', () => {
  it('holds for the evidence that was seen, and names who signed and why', async () => {
    await measure('staging.worker.auth', { b: 1, a: 2 }, 'staging');
    await signGate(journal, config, ada, Date.now());
    expect(await check()).toMatchObject({
      status: 'pass',
      summary: 'Ada signed for cutover: read the report',
      measured: { signedBy: 'Ada', state: 'signed' },
    });
  });

  it('does not hold when nobody signed, and says how to', async () => {
    await measure('staging.worker.auth', 1, 'staging');
    expect(await check()).toMatchObject({
      status: 'fail',
      summary: 'nobody signed for cutover',
      mend: 'crossfade approve cutover --as NAME --note "what you looked at"',
    });
  });

  it('does not hold once it expired', async () => {
    await measure('staging.worker.auth', 1, 'staging');
    await signGate(journal, config, ada, Date.now() - HOUR_MS - 1);
    expect(await check()).toMatchObject({
      status: 'fail',
      summary: expect.stringContaining("Ada's signature for cutover expired at"),
      mend: expect.stringContaining('crossfade approve cutover'),
    });
  });

  it.each([
    ['was measured again', () => measure('staging.worker.auth', 1, 'staging')],
    ['fails now', () => measure('staging.worker.auth', 1, 'staging', false)],
    ['has one more claim', () => measure('preCutover.production.dnsUpdated', true)],
  ])('does not hold when the evidence %s', async (_name, change) => {
    await measure('staging.worker.auth', 1, 'staging');
    await signGate(journal, config, ada, Date.now());
    await change();
    expect(await check()).toMatchObject({
      status: 'fail',
      summary: 'Ada signed for other evidence than cutover rests on now',
      mend: expect.stringContaining('crossfade approve cutover'),
    });
    await signGate(journal, config, { ...ada, as: 'Ben' }, Date.now());
    expect(await check()).toMatchObject({ status: 'pass', measured: { signedBy: 'Ben' } });
  });

  it('is not touched by what the gate itself measures, nor by verdicts that claim nothing', async () => {
    await measure('staging.worker.auth', 1, 'staging');
    await signGate(journal, config, ada, Date.now());
    await measure('preCutover.production.workerDeployed', 1, 'cutover.worker');
    await journal.append({ kind: 'note', data: { text: 'all is well' } }, { phase: 'preparation' });
    expect(await check()).toMatchObject({ status: 'pass' });
  });

  it('of another gate does not count', async () => {
    await measure('staging.worker.auth', 1, 'staging');
    await measure('success.noCriticalIssues', 1, 'watch');
    const both = { ...config, gates: { ...gates, signOffs: ['cutover' as const, 'cleanup' as const] } };
    await signGate(journal, both, { ...ada, gate: 'cleanup' }, Date.now());
    expect(await check()).toMatchObject({ status: 'fail', summary: 'nobody signed for cutover' });
  });

  it('given twice by the same person for the same evidence is one', async () => {
    await measure('staging.worker.auth', 1, 'staging');
    const first = await signGate(journal, config, ada, Date.now());
    expect(await signGate(journal, config, ada, Date.now() + 1000)).toEqual(first);
    expect((await journal.read()).filter(({ kind }) => kind === 'gate.signed')).toHaveLength(1);
  });

  it('has no evidence to rest on at first', async () => {
    expect(evidenceHash(await journal.read(), 'cutover')).toBeNull();
    expect(await check()).toMatchObject({ status: 'fail', summary: 'there is no evidence that cutover could rest on' });
  });
});

describe('the gates of a plan', () => {
  const phase = (id: PhaseId): Phase => ({
    id,
    title: id,
    plannedMs: 1,
    deadlineMs: 1,
    gate: [],
    parts: [],
    rollback: null,
  });
  it('ask for the sign-offs that the config lists, and no others', () => {
    const plan = withSignOffs(config, [phase('preparation'), phase('cutover.worker'), phase('cleanup')]);
    expect(plan.map(({ gate }) => gate.map(({ id }) => id))).toEqual([[], ['sign-off.cutover'], []]);
  });
});
