import { describe, expect, it } from 'vitest';
import { smallConfig } from '../../engine/fixtures/small-config.ts';
import type { RolloutConfig } from '../../rollout/config.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { JournalEvent } from '../../rollout/journal-event.ts';
import type { Json } from '../../rollout/json.ts';
import { STAGING_CLAIMS } from '../preparation/readiness-checks.ts';
import { IDENTITY_CHECK, stagingIdentity } from '../staging/staging-identity.ts';
import { shift, teamStep, useTeam } from '../../checks/team/fixtures/team-at-work.ts';
import { TEST_PAGE } from '../../checks/team/on-call.ts';
import { workerPhase } from './worker-phase.ts';
import { CHECKLIST_CLAIMS, checklistCheck, stagingStillHoldsCheck, stillCoveredCheck } from './cutover-gate.ts';

const HOUR_MS = 3600_000;
const HYPERDRIVE = 'c'.repeat(32);
const made = smallConfig({
  cloudflare: 'http://127.0.0.1:1/client/v4',
  r2: 'http://127.0.0.1:1',
  legacy: 'http://127.0.0.1:1',
  databaseUrl: 'postgres://someone:password@127.0.0.1:1/app',
  edgePort: 1,
  edgeAddress: '127.0.0.1',
  authority: '127.0.0.1:1',
  resolvers: ['127.0.0.1:1'],
  ttlScale: 1,
});
const config: RolloutConfig = {
  ...made,
  environments: { ...made.environments, staging: { ...made.environments.staging, hyperdriveId: HYPERDRIVE } },
};

interface Told {
  readonly proves?: readonly string[];
  readonly subject?: string;
  readonly status?: 'pass' | 'fail';
  readonly measured?: Json;
  readonly ageMs?: number;
  readonly mend?: string;
}

/** A journal of verdicts, oldest first. */
function journal(told: readonly Told[]): JournalEvent[] {
  return told.map(
    ({ proves = [], subject = 'some.check', status = 'pass', measured = null, ageMs = 0, mend }, index) => ({
      kind: 'check.verdict',
      data: {
        title: subject,
        proves,
        ms: 1,
        verdict: {
          status,
          summary: `${subject} was measured`,
          measured,
          expected: null,
          evidence: [],
          ...(mend === undefined ? {} : { mend }),
        },
      },
      seq: index + 1,
      id: `ev-${index + 1}`,
      at: new Date(Date.now() - ageMs).toISOString(),
      rollout: 'small',
      phase: 'staging',
      subject,
    }),
  );
}

function contextOf(history: readonly JournalEvent[], of: RolloutConfig = config): RolloutContext {
  const context = {
    config: of,
    history: async () => history,
    providers: { cloudflare: { listHyperdrives: async () => [{ id: HYPERDRIVE, name: 'given' }] } },
  };
  // The gate's checks ask for nothing else.
  return context as unknown as RolloutContext;
}

describe('the checklist', () => {
  const proven = (claim: string): Told => ({ proves: [claim], subject: claim });

  it('holds when all twelve are proven', async () => {
    const answer = await checklistCheck().run(contextOf(journal(CHECKLIST_CLAIMS.map(proven))));
    expect(answer).toMatchObject({ status: 'pass', summary: 'all 12 proven' });
  });

  it.each(CHECKLIST_CLAIMS)('does not hold without %s, and says so', async (claim) => {
    const others = CHECKLIST_CLAIMS.filter((one) => one !== claim).map(proven);
    const answer = await checklistCheck().run(contextOf(journal(others)));
    expect(answer).toMatchObject({ status: 'fail', summary: `${claim}: never measured`, mend: 'crossfade prepare' });
  });

  it('is told by the latest verdict of each line, with the command that mends it', async () => {
    const [first] = CHECKLIST_CLAIMS;
    const later: Told = { proves: [first], subject: 'again', status: 'fail', mend: 'crossfade stage validate' };
    const answer = await checklistCheck().run(contextOf(journal([...CHECKLIST_CLAIMS.map(proven), later])));
    expect(answer).toMatchObject({
      status: 'fail',
      summary: `${first}: again was measured`,
      mend: 'crossfade stage validate',
    });
  });
});

describe("staging's evidence", () => {
  async function holds(change: { told?: readonly Told[]; identity?: object; ageMs?: number; of?: RolloutConfig }) {
    const identity = { ...(await stagingIdentity(contextOf([]))), ...change.identity };
    const { ageMs = 0 } = change;
    const history = journal([
      { subject: IDENTITY_CHECK, measured: identity, ageMs },
      ...STAGING_CLAIMS.map((claim) => ({ proves: [claim], subject: claim, ageMs })),
      ...(change.told ?? []),
    ]);
    return stagingStillHoldsCheck().run(contextOf(history, change.of));
  }

  it('holds for the very build and config that were measured, as long as it is fresh', async () => {
    expect(await holds({})).toMatchObject({ status: 'pass' });
  });

  it('expires', async () => {
    const answer = await holds({ ageMs: config.gates.validationExpiresMs + HOUR_MS });
    expect(answer).toMatchObject({ status: 'fail', mend: 'crossfade stage validate' });
    expect(answer.summary).toContain('15 of 15 claims are not proven within 1 h');
  });

  it('does not count for another build of the Worker', async () => {
    const answer = await holds({ identity: { workerTag: 'migration-0000000000000000' } });
    expect(answer.summary).toMatch(/^staging was proven for the build migration-0000000000000000, this is migration-/);
  });

  it('does not count under another config', async () => {
    const of = { ...config, targets: { ...config.targets, responseMs: 1 } };
    expect((await holds({ of })).summary).toBe('staging was proven under another config');
  });

  it('does not hold when one of the fifteen failed since', async () => {
    const told = [{ proves: ['staging.worker.auth'], subject: 'auth', status: 'fail' as const }];
    expect((await holds({ told })).summary).toContain('1 of 15 claims are not proven within 1 h: staging.worker.auth');
  });

  it('is not there when nobody measured which build it was', async () => {
    expect(await stagingStillHoldsCheck().run(contextOf([]))).toMatchObject({ status: 'fail' });
  });
});

describe('who covers the cutover', () => {
  const team = useTeam();

  it('holds when every minute to the end of the watch is covered, without calling anybody again', async () => {
    expect(await team().judge(stillCoveredCheck())).toMatchObject({
      status: 'pass',
      measured: { onCall: ['Ada', 'Ben'], gaps: [] },
    });
    expect(await team().arrived('on-call')).toEqual([]);
  });

  it("is asked anew: a shift that was given up since the preparation's verdict shuts the gate", async () => {
    expect(await team().perform(teamStep(TEST_PAGE))).toMatchObject({ status: 'pass' });
    await team().write('schedule.json', { shifts: [shift('Ada', -1, 1)] });
    expect(await team().judge(stillCoveredCheck())).toMatchObject({
      status: 'fail',
      summary: expect.stringMatching(/^nobody is on call from .+ to .+Z$/),
      mend: expect.stringContaining('schedule.json'),
    });
  });

  it('does not count somebody who has no contact', async () => {
    await team().write('schedule.json', { shifts: [shift('Zoe', -1, 48)] });
    expect(await team().judge(stillCoveredCheck())).toMatchObject({
      status: 'fail',
      summary: expect.stringContaining('Zoe has no contact'),
    });
  });

  it("is one of the cutover's gate", () => {
    const gate = workerPhase({ plannedMs: 1, deadlineMs: 1, percentages: [100] }).gate.map(({ id }) => id);
    expect(gate).toContain('cutover.onCall');
  });
});
