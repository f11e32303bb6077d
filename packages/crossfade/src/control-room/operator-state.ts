import type { JournalEvent, PlannedPhase } from '../rollout/journal-event.ts';

export type Decision = 'hold' | 'go' | 'abort';
export const DECISIONS = ['hold', 'go', 'abort'] as const satisfies readonly Decision[];

/** Who says so, and in their words why. */
export interface Signature {
  readonly as: string;
  readonly note: string;
}
/** Writes an operator's decision to the journal; answers with the event's id. Whoever walks the phases obeys it. */
export type Decide = (decision: Decision, by: Signature) => Promise<string>;
/** Writes a sign-off for a gate to the journal; answers with the event's id. */
export type Sign = (gate: string, by: Signature) => Promise<string>;

/** A decision as the journal holds it; `at` is ISO time. */
export interface Said extends Signature {
  readonly at: string;
}
export interface TakenStep {
  readonly phase: string;
  readonly id: string;
  readonly title: string;
}
/** Where a rollout stands for the people who watch it: what they asked for, and what an abort would undo. */
export interface OperatorState {
  plan: readonly PlannedPhase[];
  started: boolean;
  /** How the rollout, or the command that had a part of it to do, ended. */
  over: {
    readonly what: string;
    readonly outcome: 'completed' | 'rolled-back' | 'failed';
    reason: string | null;
  } | null;
  running: string | null;
  holdAsked: Said | null;
  held: { readonly phase: string; readonly title: string; readonly by: string; readonly at: string } | null;
  aborted: Said | null;
  rollingBack: boolean;
  /** Titles of the compensations that did not work: a person is needed. */
  notUndone: string[];
  /** Steps whose state before is known and that nobody has undone, oldest first. */
  taken: TakenStep[];
}

export function emptyOperatorState(): OperatorState {
  return {
    plan: [],
    started: false,
    over: null,
    running: null,
    holdAsked: null,
    held: null,
    aborted: null,
    rollingBack: false,
    notUndone: [],
    taken: [],
  };
}

/** Takes one event of the journal into the state. */
export function applyOperatorEvent(state: OperatorState, event: JournalEvent): void {
  const isThis = (step: TakenStep): boolean => step.phase === event.phase && step.id === event.subject;
  switch (event.kind) {
    case 'rollout.started':
      [state.plan, state.started] = [event.data.plan, true];
      break;
    case 'run.started':
      // A command that goes on with the rollout: what was decided for the one before is over.
      Object.assign(state, {
        started: true,
        over: null,
        aborted: null,
        rollingBack: false,
        holdAsked: null,
        held: null,
      });
      break;
    case 'run.finished':
      state.over = { what: event.data.command, outcome: event.data.outcome, reason: event.data.reason };
      break;
    case 'rollout.finished':
      state.over = { what: 'the rollout', outcome: event.data.outcome, reason: event.data.reason };
      break;
    case 'phase.started':
      [state.running, state.held] = [event.phase, null];
      break;
    case 'phase.held':
      state.held = { phase: event.phase ?? '', title: event.data.title, by: event.data.by, at: event.at };
      break;
    case 'operator.decided': {
      const { decision, as, note } = event.data;
      const said = { as, note, at: event.at };
      if (decision === 'hold') state.holdAsked = said;
      if (decision === 'go') [state.holdAsked, state.held] = [null, null];
      if (decision === 'abort') state.aborted = said;
      break;
    }
    case 'rollback.decided':
      state.rollingBack = true;
      break;
    case 'step.looked':
      if (!state.taken.some(isThis))
        state.taken.push({ phase: event.phase ?? '', id: event.subject ?? '', title: event.data.title });
      break;
    case 'compensation.finished':
      state.taken = state.taken.filter((step) => !isThis(step));
      // Tried once more by a controller that was started again, and it worked.
      state.notUndone = state.notUndone.filter((title) => title !== event.data.title);
      break;
    case 'compensation.failed':
      state.notUndone.push(event.data.title);
      break;
    default:
      break;
  }
}

export function operatorStateOf(events: readonly JournalEvent[]): OperatorState {
  const state = emptyOperatorState();
  for (const event of events) applyOperatorEvent(state, event);
  return state;
}

/** Why a decision makes no sense now, for the person who wants to make it; `null` when it does. */
export function refusalOf(state: OperatorState, decision: Decision): string | null {
  if (!state.started) return 'no rollout has begun yet';
  if (state.over !== null) return `${state.over.what} is over: ${state.over.outcome}`;
  if (state.rollingBack) return 'it is being rolled back already';
  if (state.aborted !== null) return `${state.aborted.as} has aborted already`;
  if (decision === 'go') return state.held === null && state.holdAsked === null ? 'nothing is held' : null;
  if (decision === 'abort') return null;
  if (state.held !== null) return `it holds already, before ${state.held.title}`;
  if (state.holdAsked !== null) return `${state.holdAsked.as} has asked for that already`;
  return state.running !== null && state.running === state.plan.at(-1)?.id ? 'no phase comes after this one' : null;
}
