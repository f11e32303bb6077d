import type { Json } from './json.ts';
import type { Verdict } from './verdict.ts';
import type { RolloutContext } from './context.ts';
import type { WritesSinceSwitch } from './report-shapes.ts';

/** The chapters of a rollout, in order. The four `cutover.*` ones are the PRD's phase1..phase4. */
export const PHASE_IDS = [
  'staging',
  'preparation',
  'cutover.worker',
  'cutover.dns',
  'cutover.verify',
  'cutover.monitor',
  'watch',
  'cleanup',
  'archive',
] as const;
export type PhaseId = (typeof PHASE_IDS)[number];

export type RollbackKind = 'immediate' | 'dns' | 'full' | 'data';

/** Which phases each rollback takes back: those whose steps are compensated. */
export const ROLLBACK_SCOPES: Readonly<Record<RollbackKind, readonly PhaseId[]>> = {
  immediate: ['cutover.worker'],
  dns: ['cutover.worker', 'cutover.dns'],
  full: ['cutover.worker', 'cutover.dns', 'cutover.verify', 'cutover.monitor', 'watch'],
  data: [],
};

/** Reads the world, changes nothing, answers with a verdict. */
export interface Check {
  readonly id: string;
  readonly title: string;
  /** Paths of the report that a pass makes true, e.g. `staging.worker.auth`. */
  readonly proves: readonly string[];
  run(context: RolloutContext): Promise<Verdict>;
}

/**
 * Changes the world. Each of the four is idempotent and is checkpointed by itself, so that after a
 * `kill -9` the ones that finished are not run again and the one that was interrupted is.
 */
export interface Step<Before = unknown> {
  readonly id: string;
  readonly title: string;
  readonly proves: readonly string[];
  /** Reads what `compensate` needs to put back: the state before. It is kept as JSON, and comes back as JSON. */
  look(context: RolloutContext): Promise<Before>;
  /** Acts, after looking again whether it is needed; "already so" is success. What it answers is recorded as JSON. */
  run(context: RolloutContext, before: Before): Promise<unknown>;
  /** Looks whether the world shows the change. */
  verify(context: RolloutContext, before: Before): Promise<Verdict>;
  /** Puts `before` back, whatever part of `run` took place; doing it twice does no harm. */
  compensate(context: RolloutContext, before: Before): Promise<unknown>;
  /** The very commands that a person compensates with; without it, what `look` saw is what has to be put back. */
  byHand?(context: RolloutContext, before: Before): string;
}

/**
 * Watches for a while and ends early on trouble. `watch` is called anew after a crash with the time
 * that is left; it reports samples through the journal and answers with one verdict.
 */
export interface Observation {
  readonly id: string;
  readonly title: string;
  readonly proves: readonly string[];
  /** How long to look, ms (already scaled). */
  readonly durationMs: number;
  watch(context: RolloutContext, forMs: number): Promise<Verdict>;
}

export type Part =
  | { readonly kind: 'step'; readonly step: Step }
  /** Checks that run side by side; all must pass unless `mustPass` is false (then they only fill the report). */
  | { readonly kind: 'checks'; readonly id: string; readonly checks: readonly Check[]; readonly mustPass: boolean }
  | { readonly kind: 'observation'; readonly observation: Observation };

/** An ordered list of gates and steps with a deadline and a rollback. */
export interface Phase {
  readonly id: PhaseId;
  readonly title: string;
  /** What the plan says, ms, and what this run allows, ms. They differ only in a rehearsal. */
  readonly plannedMs: number;
  readonly deadlineMs: number;
  readonly gate: readonly Check[];
  readonly parts: readonly Part[];
  /** From this phase on production writes to R2: the mirror back to legacy runs beside it. */
  readonly mirrors?: true;
  /** What is undone when the phase fails: `null` means only this phase's own steps are compensated. */
  readonly rollback: RollbackKind | null;
}

/** One action of a rollback: idempotent, retried, and when it will not work a person is told `byHand`. */
export interface RollbackStep {
  readonly id: string;
  readonly title: string;
  /** The very commands that do the same by hand, with the names and ids of this rollout. */
  byHand(context: RolloutContext): Promise<string>;
  run(context: RolloutContext): Promise<unknown>;
  verify(context: RolloutContext): Promise<Verdict>;
}

/** What a rollback proved when it was over. Times in ms; `null` where nobody could measure it. */
export interface RollbackProof {
  readonly recoveredMs: number | null;
  readonly lostUploads: number | null;
  /** Those of the lost uploads that took the place of an earlier file. */
  readonly lostOverwrites: number | null;
  readonly lostDeletes: number | null;
  readonly sinceSwitch: WritesSinceSwitch | null;
}

export interface Rollback {
  readonly kind: RollbackKind;
  /** What the plan allows it, ms: from the decision to the last verification. */
  readonly budgetMs: number;
  /** In this order, before the compensations of the phases in `scope` run in reverse. */
  readonly steps: readonly RollbackStep[];
  readonly scope: readonly PhaseId[];
  prove(context: RolloutContext, troubleSince: string): Promise<RollbackProof>;
}

export interface RolloutPlan {
  readonly phases: readonly Phase[];
  readonly rollbacks: Readonly<Partial<Record<RollbackKind, Rollback>>>;
}

/** Something went wrong while the phases ran: the measure, and since when. */
export interface Trouble {
  readonly measure: string;
  readonly measured: Json;
  readonly expected: Json;
  /** First bad sample, ISO time. */
  readonly since: string;
}

/** Keeps legacy in step with R2 beside the phases, from the switch to the end of the watch. */
export interface MirrorService {
  /** Begins, once; nothing that goes wrong in it ends a phase. */
  start(context: RolloutContext): void;
  /** Ends soon: what it had not begun goes back to the queue. */
  stop(): Promise<void>;
}

/** Watches production beside the phases, from the first deployment to the end of the watch. */
export interface Sentinel {
  start(context: RolloutContext): void;
  stop(): Promise<void>;
  /** Resolves when trouble is seen; never when there is none. */
  readonly trouble: Promise<Trouble>;
}
