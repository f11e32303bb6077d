import {
  applyOperatorEvent,
  emptyOperatorState,
  type OperatorState,
} from '../../../packages/crossfade/src/control-room/operator-state.ts';
import type { JournalEvent, PlannedPhase } from '../../../packages/crossfade/src/rollout/journal-event.ts';
import { ROLLBACK_SCOPES } from '../../../packages/crossfade/src/rollout/plan.ts';
import type { Verdict } from '../../../packages/crossfade/src/rollout/verdict.ts';

export type ItemState = 'waiting' | 'running' | 'passed' | 'failed' | 'skipped' | 'undone';

export interface ItemView {
  readonly id: string;
  readonly title: string;
  readonly kind: 'gate' | 'step' | 'check' | 'observation';
  state: ItemState;
  summary: string;
  ms: number | null;
  verdict: Verdict | null;
}
export interface PhaseView {
  readonly id: string;
  readonly title: string;
  readonly plannedMs: number;
  state: ItemState;
  seconds: number | null;
  /** Why it failed. */
  reason: string | null;
  startedAt: number | null;
  items: ItemView[];
  /** `null` until the gate was decided; ids of the checks that failed. */
  gateFailed: readonly string[] | null;
  /** When it stood still before this phase, and for whom. ISO times. */
  held: { readonly by: string; readonly from: string; until: string | null }[];
}
/** One action of a rollback, or the compensation of one step. */
export interface UndoView {
  readonly phase: string | null;
  readonly id: string | null;
  readonly title: string;
  state: 'running' | 'undone' | 'failed';
  ms: number | null;
  error: string;
  /** The very commands that do the same by hand; empty unless it failed. */
  byHand: string;
}
export interface SignOff {
  readonly gate: string;
  readonly as: string;
  readonly note: string;
  /** ISO times. */
  readonly at: string;
  readonly expiresAt: string;
}
export interface Second {
  /** Epoch seconds. */
  readonly at: number;
  readonly legacy: number;
  readonly edge: number;
  readonly failed: number;
}
/** The mirror back to legacy, as it was told last. */
export interface MirrorView {
  lagSeconds: number;
  applied: number;
  copied: number;
  deleted: number;
  waiting: number;
  /** Deletes that nothing proves, and keys that legacy does not take. */
  unproven: number;
  failing: number;
  /** A rollback has drained it. */
  rested: boolean;
}
export interface RolloutView {
  rollout: string;
  scenario: string | null;
  scale: string | null;
  operator: OperatorState;
  phases: PhaseView[];
  seconds: Second[];
  requests: number;
  failed: number;
  longestGapMs: number;
  p99Ms: number;
  /** As the vendor counted the last seconds, where nobody counts as a listener would; `null` until it was asked. */
  edge: { requestsPerSecond: number | null; errorRate: number | null; p99Ms: number | null } | null;
  transfer: { objects: number; totalObjects: number; bytesPerSecond: number; remainingSeconds: number | null } | null;
  verified: { objects: number; verified: number; mismatched: number } | null;
  mirror: MirrorView | null;
  rollback: {
    measure: string;
    measured: string;
    detectedMs: number;
    recoveredMs: number | null;
    lostUploads: number | null;
    lostDeletes: number | null;
    complete: boolean | null;
  } | null;
  undoing: UndoView[];
  signOffs: SignOff[];
  alerts: number;
}

/** Seconds of traffic that the graph holds; older ones leave it. */
const SECONDS_KEPT = 1800;

export function emptyView(): RolloutView {
  return {
    rollout: '',
    scenario: null,
    scale: null,
    operator: emptyOperatorState(),
    phases: [],
    seconds: [],
    requests: 0,
    failed: 0,
    longestGapMs: 0,
    p99Ms: 0,
    edge: null,
    transfer: null,
    verified: null,
    mirror: null,
    rollback: null,
    undoing: [],
    signOffs: [],
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
    verdict: null,
  });
  return {
    id: phase.id,
    title: phase.title,
    plannedMs: phase.plannedMs,
    state: 'waiting',
    seconds: null,
    reason: null,
    startedAt: null,
    gateFailed: null,
    held: [],
    items: [...phase.gate.map((check) => item('gate', check)), ...phase.parts.map((part) => item(part.kind, part))],
  };
}

/** Takes one event of the journal into the view. The same journal always gives the same view. */
export function applyEvent(view: RolloutView, event: JournalEvent): void {
  if (event.kind === 'run.started' && view.operator.over !== null) [view.rollback, view.undoing] = [null, []];
  applyOperatorEvent(view.operator, event);
  const phase = view.phases.find((one) => one.id === event.phase);
  // A check may stand in the gate and among the parts: the one that has no verdict yet is meant.
  const named = phase?.items.filter((item) => item.id === event.subject) ?? [];
  const item = named.find((one) => one.state === 'waiting' || one.state === 'running') ?? named.at(-1);
  switch (event.kind) {
    case 'rollout.started':
      view.rollout = event.rollout;
      view.scenario = event.data.scenario;
      view.scale = event.data.scale;
      view.phases = event.data.plan.map(plannedView);
      break;
    case 'phase.started':
      if (phase !== undefined) {
        if (phase.state !== 'waiting' && phase.state !== 'running') beginAnew(phase);
        phase.state = 'running';
        phase.startedAt = Date.parse(event.at);
      }
      letGo(view, event.at);
      break;
    case 'phase.finished':
      if (phase !== undefined) {
        phase.state = event.data.status;
        phase.seconds = event.data.seconds;
        phase.reason = event.data.reason;
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
        item.verdict = verdict;
      }
      break;
    case 'gate.decided':
      if (phase !== undefined) phase.gateFailed = event.data.failed;
      break;
    case 'gate.signed':
      view.signOffs.push({ ...event.data, at: event.at });
      break;
    case 'phase.held':
      // Said again by a controller that was started anew: it has stood still all the time.
      if (phase !== undefined && phase.held.at(-1)?.until !== null)
        phase.held.push({ by: event.data.by, from: event.at, until: null });
      break;
    case 'operator.decided':
      if (event.data.decision !== 'hold') letGo(view, event.at);
      break;
    case 'compensation.started':
      undoOf(view, event, event.data.title);
      break;
    case 'compensation.finished':
      Object.assign(undoOf(view, event, event.data.title), { state: 'undone', ms: event.data.ms });
      if (item !== undefined) item.state = 'undone';
      break;
    case 'compensation.failed': {
      const { title, error, byHand } = event.data;
      Object.assign(undoOf(view, event, title), { state: 'failed', error, byHand });
      if (item !== undefined) [item.state, item.summary] = ['failed', `not undone: ${error}`];
      break;
    }
    case 'metrics.sampled':
      if (event.data.traffic === null) {
        const { requestRate, errorRate, responseTime } = event.data.metrics.worker;
        view.edge = { requestsPerSecond: requestRate, errorRate, p99Ms: responseTime };
      } else {
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
    case 'mirror.progressed':
      view.mirror = { ...event.data, rested: false };
      break;
    case 'mirror.rested': {
      // It counts from the start of the rollback: what the mirror did before stays counted.
      const nothing = { applied: 0, copied: 0, deleted: 0, waiting: 0, failing: 0 };
      const { lagSeconds, unproven } = event.data;
      view.mirror = { ...(view.mirror ?? nothing), lagSeconds, unproven, waiting: 0, rested: true };
      break;
    }
    case 'alert.fired':
      view.alerts++;
      break;
    case 'rollback.decided':
      view.rollback = {
        measure: event.data.measure,
        measured: JSON.stringify(event.data.measured),
        detectedMs: event.data.detectedMs,
        recoveredMs: null,
        lostUploads: null,
        lostDeletes: null,
        complete: null,
      };
      break;
    case 'rollback.finished':
      if (view.rollback !== null) {
        const { recoveredMs, lostUploads, lostDeletes, complete } = event.data;
        Object.assign(view.rollback, { recoveredMs, lostUploads, lostDeletes, complete });
      }
      // As the report has it: what was passed and then taken back stands no more, and half taken back needs a person.
      for (const one of view.phases)
        if (one.state === 'passed' && ROLLBACK_SCOPES[event.data.kind].some((id) => id === one.id))
          [one.state, one.reason] = event.data.complete ? ['undone', null] : ['failed', 'the rollback is incomplete'];
      break;
    default:
      break;
  }
}

/** A phase that had ended, in a second cutover say: nothing of its first time is true of this one. */
function beginAnew(phase: PhaseView): void {
  Object.assign(phase, { seconds: null, reason: null, gateFailed: null });
  for (const item of phase.items) Object.assign(item, { state: 'waiting', summary: '', ms: null, verdict: null });
}

function letGo(view: RolloutView, at: string): void {
  for (const phase of view.phases) for (const held of phase.held) held.until ??= at;
}

function undoOf(view: RolloutView, event: JournalEvent, title: string): UndoView {
  const known = view.undoing.find((one) => one.phase === event.phase && one.id === event.subject);
  if (known !== undefined) return known;
  const made: UndoView = {
    phase: event.phase,
    id: event.subject,
    title,
    state: 'running',
    ms: null,
    error: '',
    byHand: '',
  };
  view.undoing.push(made);
  return made;
}
