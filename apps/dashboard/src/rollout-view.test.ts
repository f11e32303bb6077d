import { expect, it } from 'vitest';
import type { JournalEntry, JournalEvent } from '../../../packages/crossfade/src/rollout/journal-event.ts';
import type { PhaseId } from '../../../packages/crossfade/src/rollout/plan.ts';
import { applyEvent, emptyView } from './rollout-view.ts';

let seq = 0;
function event(entry: JournalEntry, phase: PhaseId | null = null, subject: string | null = null): JournalEvent {
  seq++;
  return {
    ...entry,
    seq,
    id: `ev-${seq}`,
    at: new Date(1_700_000_000_000 + seq * 1000).toISOString(),
    rollout: 'audafact-1',
    phase,
    subject,
  };
}
const started = () =>
  event({
    kind: 'rollout.started',
    data: {
      scenario: 'smooth',
      configHash: 'h',
      scale: null,
      plan: [
        {
          id: 'staging',
          title: 'Staging',
          plannedMs: 1,
          deadlineMs: 1,
          gate: [{ id: 'g', title: 'Gate' }],
          parts: [{ kind: 'step', id: 's', title: 'Step' }],
        },
      ],
    },
  });
const verdict = (status: 'pass' | 'fail') => ({
  status,
  summary: 'so',
  measured: 1,
  expected: 1,
  evidence: ['a.json'],
});

it('draws the whole plan before anything ran, and each item as it goes', () => {
  const view = emptyView();
  applyEvent(view, started());
  expect(view.phases[0]?.items.map((item) => item.state)).toEqual(['waiting', 'waiting']);
  applyEvent(view, event({ kind: 'phase.started', data: { deadlineMs: 1 } }, 'staging'));
  applyEvent(view, event({ kind: 'step.started', data: { title: 'Step' } }, 'staging', 's'));
  expect(view.phases[0]?.items[1]?.state).toBe('running');
  applyEvent(
    view,
    event(
      { kind: 'check.verdict', data: { title: 'Step', proves: [], ms: 5, verdict: verdict('pass') } },
      'staging',
      's',
    ),
  );
  expect(view.phases[0]?.items[1]).toMatchObject({
    state: 'passed',
    summary: 'so',
    verdict: { evidence: ['a.json'] },
  });
});

it('shows a rollback with what was measured, and the compensated steps as undone', () => {
  const view = emptyView();
  applyEvent(view, started());
  applyEvent(
    view,
    event(
      {
        kind: 'rollback.decided',
        data: {
          kind: 'full',
          measure: 'error rate',
          measured: { rate: 0.2 },
          expected: null,
          troubleSince: 't',
          detectedMs: 900,
        },
      },
      'staging',
    ),
  );
  applyEvent(
    view,
    event(
      { kind: 'compensation.finished', data: { title: 'Worker back', ms: 7, result: null } },
      'staging',
      'rollback.worker',
    ),
  );
  applyEvent(
    view,
    event({ kind: 'compensation.finished', data: { title: 'Step', ms: 7, result: null } }, 'staging', 's'),
  );
  expect(view.operator.rollingBack).toBe(true);
  expect(view.undoing).toMatchObject([
    { title: 'Worker back', state: 'undone', ms: 7 },
    { title: 'Step', state: 'undone' },
  ]);
  expect(view.phases[0]?.items[1]?.state).toBe('undone');
});

it('shows each step of a rollback live, and keeps what to do by hand where one would not work', () => {
  const view = emptyView();
  applyEvent(view, started());
  const undo = (entry: JournalEntry) => applyEvent(view, event(entry, 'staging', 's'));
  undo({ kind: 'compensation.started', data: { title: 'Step' } });
  expect(view.undoing).toMatchObject([{ title: 'Step', state: 'running' }]);
  undo({ kind: 'compensation.failed', data: { title: 'Step', error: 'no answer', byHand: 'curl x' } });
  expect(view.undoing).toMatchObject([{ title: 'Step', state: 'failed', error: 'no answer', byHand: 'curl x' }]);
  expect(view.phases[0]?.items[1]).toMatchObject({ state: 'failed', summary: 'not undone: no answer' });
});

it('knows since when a phase is held, by whom, and when it was let go', () => {
  const view = emptyView();
  applyEvent(view, started());
  const hold = () => event({ kind: 'phase.held', data: { title: 'Staging', by: 'Ada' } }, 'staging');
  const first = hold();
  applyEvent(view, first);
  // A controller that was started again says so again: it has stood still all the time.
  applyEvent(view, hold());
  expect(view.phases[0]?.held).toEqual([{ by: 'Ada', from: first.at, until: null }]);
  const go = event({ kind: 'operator.decided', data: { decision: 'go', as: 'Ada', note: '' } });
  applyEvent(view, go);
  expect(view.phases[0]?.held).toEqual([{ by: 'Ada', from: first.at, until: go.at }]);
});

it('keeps which checks close a gate, and who signed one off', () => {
  const view = emptyView();
  applyEvent(view, started());
  applyEvent(view, event({ kind: 'gate.decided', data: { status: 'closed', failed: ['g'] } }, 'staging', 'staging'));
  const signed = { gate: 'g', as: 'Ada', note: 'seen', evidenceHash: 'h', expiresAt: '2030-01-01T00:00:00.000Z' };
  applyEvent(view, event({ kind: 'gate.signed', data: signed }));
  expect(view.phases[0]?.gateFailed).toEqual(['g']);
  expect(view.signOffs).toMatchObject([signed]);
});

it('shows how far legacy is behind, and that a rollback has drained the mirror', () => {
  const view = emptyView();
  applyEvent(view, started());
  const counts = { applied: 7, copied: 5, deleted: 2, kept: 0, unproven: 0, malformed: 0, failing: 0 };
  applyEvent(view, event({ kind: 'mirror.progressed', data: { ...counts, lagSeconds: 3.2, waiting: 4 } }));
  expect(view.mirror).toMatchObject({ lagSeconds: 3.2, applied: 7, waiting: 4, rested: false });
  const rested = { copied: 1, deleted: 0, kept: 0, unproven: 1, lagSeconds: 0 };
  applyEvent(view, event({ kind: 'mirror.rested', data: rested }));
  expect(view.mirror).toMatchObject({ lagSeconds: 0, applied: 7, waiting: 0, unproven: 1, rested: true });
});

const ended = { recoveredMs: 1, lostUploads: 0, lostOverwrites: 0, lostDeletes: 0, sinceSwitch: null };
const rolledBack = (complete: boolean) =>
  event({ kind: 'rollback.finished', data: { kind: 'full', complete, tookMs: 1, budgetMs: 2, ...ended } });
function passedCutover(view = emptyView()) {
  const first = started();
  if (first.kind !== 'rollout.started') throw new Error('the rollout starts with its plan');
  const plan = (['staging', 'cutover.dns'] as const).flatMap((id) =>
    first.data.plan.map((phase) => ({ ...phase, id })),
  );
  applyEvent(view, { ...first, data: { ...first.data, plan } });
  for (const phase of ['staging', 'cutover.dns'] as const) {
    applyEvent(view, event({ kind: 'phase.started', data: { deadlineMs: 1 } }, phase));
    const passed = { title: 'Step', proves: [], ms: 5, verdict: verdict('pass') };
    applyEvent(view, event({ kind: 'check.verdict', data: passed }, phase, 's'));
    applyEvent(view, event({ kind: 'phase.finished', data: { status: 'passed', seconds: 1, reason: null } }, phase));
  }
  return view;
}

it('shows a phase that a rollback took back as undone, and leaves those before it', () => {
  const view = passedCutover();
  applyEvent(view, rolledBack(true));
  expect(view.phases.map(({ state }) => state)).toEqual(['passed', 'undone']);
});

it('shows a phase that is half taken back as failed', () => {
  const view = passedCutover();
  applyEvent(view, rolledBack(false));
  expect(view.phases[1]).toMatchObject({ state: 'failed', reason: 'the rollback is incomplete' });
});

it('shows a phase that is begun a second time as if it had never run, and one that a resumed controller goes on with as it was', () => {
  const view = passedCutover();
  applyEvent(view, rolledBack(true));
  const begin = () => applyEvent(view, event({ kind: 'phase.started', data: { deadlineMs: 1 } }, 'cutover.dns'));
  begin();
  expect(view.phases[1]).toMatchObject({ state: 'running', seconds: null });
  expect(view.phases[1]?.items.map(({ state }) => state)).toEqual(['waiting', 'waiting']);
  applyEvent(view, event({ kind: 'step.started', data: { title: 'Step' } }, 'cutover.dns', 's'));
  begin();
  expect(view.phases[1]?.items[1]?.state).toBe('running');
});

it('shows what the vendor counts where no audience does', () => {
  const view = emptyView();
  applyEvent(view, started());
  const unknown = { cpuUsage: null, memoryUsage: null, networkLatency: null, databaseConnections: 1 };
  const metrics = {
    worker: { requestRate: 12.5, errorRate: 0.02, responseTime: 80, activeConnections: null },
    r2: { uploadRate: 0, downloadRate: 0, storageUsage: null, costPerHour: null },
    frontend: { userSessions: null, uploadSuccessRate: null, previewSuccessRate: null, errorRate: null },
    system: unknown,
  };
  applyEvent(view, event({ kind: 'metrics.sampled', data: { metrics, traffic: null, second: null } }));
  expect(view.edge).toEqual({ requestsPerSecond: 12.5, errorRate: 0.02, p99Ms: 80 });
  expect(view.requests).toBe(0);
});
