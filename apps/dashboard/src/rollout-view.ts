import type { JournalEvent, PlannedPhase } from '../../../packages/crossfade/src/rollout/journal-event.ts';

export type ItemState = 'waiting' | 'running' | 'passed' | 'failed' | 'skipped' | 'undone';

export interface ItemView {
  readonly id: string;
  readonly title: string;
  readonly kind: 'gate' | 'step' | 'check' | 'observation';
  state: ItemState;
  summary: string;
  ms: number | null;
  evidence: readonly string[];
}
export interface PhaseView {
  readonly id: string;
  readonly title: string;
  readonly plannedMs: number;
  state: ItemState;
  seconds: number | null;
  startedAt: number | null;
  items: ItemView[];
}
export interface Second {
  /** Epoch seconds. */
  readonly at: number;
  readonly legacy: number;
  readonly edge: number;
  readonly failed: number;
}
export interface RolloutView {
  rollout: string;
  scenario: string | null;
  scale: string | null;
  outcome: 'waiting' | 'running' | 'rolling back' | 'completed' | 'rolled-back' | 'failed';
  reason: string | null;
  phases: PhaseView[];
  seconds: Second[];
  requests: number;
  failed: number;
  longestGapMs: number;
  p99Ms: number;
  transfer: { objects: number; totalObjects: number; bytesPerSecond: number; remainingSeconds: number | null } | null;
  verified: { objects: number; verified: number; mismatched: number } | null;
  rollback: {
    measure: string;
    measured: string;
    detectedMs: number;
    recoveredMs: number | null;
    lostUploads: number | null;
    steps: string[];
  } | null;
  alerts: number;
}

/** Seconds of traffic that the graph holds; older ones leave it. */
const SECONDS_KEPT = 1800;

export function emptyView(): RolloutView {
  return {
    rollout: '',
    scenario: null,
    scale: null,
    outcome: 'waiting',
    reason: null,
    phases: [],
    seconds: [],
    requests: 0,
    failed: 0,
    longestGapMs: 0,
    p99Ms: 0,
    transfer: null,
    verified: null,
    rollback: null,
    alerts: 0,
  };
}

function plannedView(phase: PlannedPhase): PhaseView {
  const item = (kind: ItemView['kind'], { id, title }: { id: string; title: string }): ItemView => ({
    id,
    title,
    kind,
    state: 'waiting',
    summary: '',
    ms: null,
    evidence: [],
  });
  return {
    id: phase.id,
    title: phase.title,
    plannedMs: phase.plannedMs,
    state: 'waiting',
    seconds: null,
    startedAt: null,
    items: [...phase.gate.map((check) => item('gate', check)), ...phase.parts.map((part) => item(part.kind, part))],
  };
}

/** Takes one event of the journal into the view. The same journal always gives the same view. */
export function applyEvent(view: RolloutView, event: JournalEvent): void {
  const phase = view.phases.find((one) => one.id === event.phase);
  // A check may stand in the gate and among the parts: the one that has no verdict yet is meant.
  const named = phase?.items.filter((item) => item.id === event.subject) ?? [];
  const item = named.find((one) => one.state === 'waiting' || one.state === 'running') ?? named.at(-1);
  switch (event.kind) {
    case 'rollout.started':
      view.rollout = event.rollout;
      view.scenario = event.data.scenario;
      view.scale = event.data.scale;
      view.outcome = 'running';
      view.phases = event.data.plan.map(plannedView);
      break;
    case 'rollout.finished':
      view.outcome = event.data.outcome;
      view.reason = event.data.reason;
      break;
    case 'phase.started':
      if (phase !== undefined) {
        phase.state = 'running';
        phase.startedAt = Date.parse(event.at);
      }
      break;
    case 'phase.finished':
      if (phase !== undefined) {
        phase.state = event.data.status;
        phase.seconds = event.data.seconds;
      }
      break;
    case 'step.started':
      if (item !== undefined) item.state = 'running';
      break;
    case 'step.finished':
      if (item !== undefined) item.ms = event.data.ms;
      break;
    case 'step.failed':
      if (item !== undefined) [item.state, item.summary] = ['failed', event.data.error];
      break;
    case 'check.verdict':
      if (item !== undefined) {
        const { verdict, ms } = event.data;
        item.state = verdict.status === 'pass' ? 'passed' : verdict.status === 'fail' ? 'failed' : 'skipped';
        item.summary = verdict.summary;
        item.ms = (item.ms ?? 0) + ms;
        item.evidence = verdict.evidence;
      }
      break;
    case 'compensation.finished':
      if (view.rollback !== null && item === undefined)
        view.rollback.steps.push(`✔ ${event.data.title} (${event.data.ms} ms)`);
      else if (item !== undefined) item.state = 'undone';
      break;
    case 'compensation.failed':
      view.rollback?.steps.push(`✘ ${event.data.title}: ${event.data.error}. By hand: ${event.data.byHand}`);
      break;
    case 'metrics.sampled':
      if (event.data.traffic !== null) {
        ({
          requests: view.requests,
          failed: view.failed,
          longestGapMs: view.longestGapMs,
          p99Ms: view.p99Ms,
        } = event.data.traffic);
      }
      if (event.data.second !== null) {
        const { legacy, edge, failed } = event.data.second;
        view.seconds.push({ at: Date.parse(event.at) / 1000, legacy, edge, failed });
        if (view.seconds.length > SECONDS_KEPT) view.seconds.shift();
      }
      break;
    case 'traffic.counted':
      ({
        requests: view.requests,
        failed: view.failed,
        longestGapMs: view.longestGapMs,
        p99Ms: view.p99Ms,
      } = event.data);
      break;
    case 'transfer.progressed':
      view.transfer = event.data;
      break;
    case 'transfer.finished':
      view.verified = event.data;
      break;
    case 'alert.fired':
      view.alerts++;
      break;
    case 'rollback.decided':
      view.outcome = 'rolling back';
      view.rollback = {
        measure: event.data.measure,
        measured: JSON.stringify(event.data.measured),
        detectedMs: event.data.detectedMs,
        recoveredMs: null,
        lostUploads: null,
        steps: [],
      };
      break;
    case 'rollback.finished':
      if (view.rollback !== null)
        [view.rollback.recoveredMs, view.rollback.lostUploads] = [event.data.recoveredMs, event.data.lostUploads];
      break;
    default:
      break;
  }
}
