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
  expect(view.phases[0]?.items[1]).toMatchObject({ state: 'passed', summary: 'so', evidence: ['a.json'] });
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
  expect(view.outcome).toBe('rolling back');
  expect(view.rollback?.steps).toEqual(['✔ Worker back (7 ms)']);
  expect(view.phases[0]?.items[1]?.state).toBe('undone');
});
