import type { Json } from './json.ts';
import type { PhaseId, RollbackKind } from './plan.ts';
import type { Verdict } from './verdict.ts';
import type { ProductionMetrics, WritesSinceSwitch } from './report-shapes.ts';

/** The plan as the journal keeps it: enough to draw the whole rollout before it ran. */
export interface PlannedPhase {
  readonly id: PhaseId;
  readonly title: string;
  readonly plannedMs: number;
  readonly deadlineMs: number;
  readonly gate: readonly { readonly id: string; readonly title: string }[];
  readonly parts: readonly {
    readonly kind: 'step' | 'check' | 'observation';
    readonly id: string;
    readonly title: string;
  }[];
}

export interface TrafficCount {
  readonly requests: number;
  readonly failed: number;
  readonly longestGapMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface TransferCount {
  readonly objects: number;
  readonly bytes: number;
  readonly verified: number;
  readonly mismatched: number;
}

/** What can happen in a rollout. `kind` decides what `data` holds. */
export type JournalEntry =
  | {
      kind: 'rollout.started';
      data: { scenario: string | null; configHash: string; scale: string | null; plan: readonly PlannedPhase[] };
    }
  | { kind: 'rollout.resumed'; data: { pid: number } }
  | { kind: 'rollout.finished'; data: { outcome: 'completed' | 'rolled-back' | 'failed'; reason: string | null } }
  | { kind: 'phase.started'; data: { deadlineMs: number } }
  | { kind: 'phase.finished'; data: { status: 'passed' | 'failed'; seconds: number; reason: string | null } }
  | { kind: 'gate.decided'; data: { status: 'open' | 'closed'; failed: readonly string[] } }
  | { kind: 'check.verdict'; data: { title: string; proves: readonly string[]; ms: number; verdict: Verdict } }
  | { kind: 'step.looked'; data: { title: string; before: Json } }
  | { kind: 'step.started'; data: { title: string } }
  | { kind: 'step.finished'; data: { title: string; ms: number; result: Json } }
  | { kind: 'step.failed'; data: { title: string; error: string } }
  | { kind: 'compensation.started'; data: { title: string } }
  | { kind: 'compensation.finished'; data: { title: string; ms: number; result: Json } }
  | { kind: 'compensation.failed'; data: { title: string; error: string; byHand: string } }
  | {
      kind: 'metrics.sampled';
      data: {
        metrics: ProductionMetrics;
        /** What the audience counted since the start, and in the last whole second on each side; `null` without one. */
        traffic: TrafficCount | null;
        second: { ok: number; failed: number; legacy: number; edge: number } | null;
      };
    }
  | {
      kind: 'transfer.progressed';
      data: {
        objects: number;
        totalObjects: number;
        bytes: number;
        totalBytes: number;
        bytesPerSecond: number;
        remainingSeconds: number | null;
      };
    }
  | { kind: 'transfer.finished'; data: TransferCount & { pass: string; seconds: number } }
  /** How the mirror back to legacy fares; counts are of one process. `lagSeconds` is the age of the oldest change that is not in legacy. */
  | {
      kind: 'mirror.progressed';
      data: {
        lagSeconds: number;
        applied: number;
        copied: number;
        deleted: number;
        kept: number;
        unproven: number;
        /** Objects that legacy refuses for what they are; absent in journals from before they were counted. */
        refused?: number;
        waiting: number;
        malformed: number;
        failing: number;
      };
    }
  /** A rollback has drained the mirror's queue and compared both sides. */
  | {
      kind: 'mirror.rested';
      data: {
        copied: number;
        deleted: number;
        kept: number;
        unproven: number;
        /** Objects that stay in R2 alone, since legacy refuses them for what they are. */
        refused?: number;
        lagSeconds: number;
      };
    }
  | {
      kind: 'traffic.counted';
      data: TrafficCount & {
        reasons: readonly { reason: string; count: number; planted: boolean }[];
        /** From which a simulated audience's choices followed. */
        seed: number | null;
      };
    }
  | {
      kind: 'alert.fired';
      data: {
        rule: string;
        severity: 'critical' | 'warning' | 'info';
        measured: Json;
        expected: Json;
        deliveredTo: readonly string[];
      };
    }
  | { kind: 'alert.resolved'; data: { rule: string; measured: Json } }
  | {
      kind: 'rollback.decided';
      data: {
        kind: RollbackKind;
        measure: string;
        measured: Json;
        expected: Json;
        troubleSince: string;
        detectedMs: number;
      };
    }
  | {
      kind: 'rollback.finished';
      data: {
        kind: RollbackKind;
        complete: boolean;
        /** From the decision to the last verification, and what the plan allows, ms. */
        tookMs: number;
        budgetMs: number;
        recoveredMs: number | null;
        lostUploads: number | null;
        /** Those of the lost uploads that took the place of an earlier file. */
        lostOverwrites: number | null;
        lostDeletes: number | null;
        sinceSwitch: WritesSinceSwitch | null;
      };
    }
  /** A command (`prepare`, `cutover`, …) began or ended its part of the rollout; `attempt` counts from 1. */
  | { kind: 'run.started'; data: { command: string; attempt: number; operator: string } }
  | {
      kind: 'run.finished';
      data: {
        command: string;
        attempt: number;
        outcome: 'completed' | 'rolled-back' | 'failed';
        reason: string | null;
      };
    }
  /** What an operator said between phases: hold before the next one, go on, or abort (the compensations, in reverse). */
  | { kind: 'operator.decided'; data: { decision: 'hold' | 'go' | 'abort'; as: string; note: string } }
  /** The walk stands still before a phase because somebody said so. */
  | { kind: 'phase.held'; data: { title: string; by: string } }
  /** Somebody vouches for a gate: by name, for exactly the evidence that they saw, until it expires (ISO time). */
  | {
      kind: 'gate.signed';
      data: { gate: string; as: string; note: string; evidenceHash: string; expiresAt: string };
    }
  /** A test page to one person, and their answer to it. */
  | { kind: 'page.sent'; data: { to: string; level: number; channel: string; token: string } }
  | { kind: 'page.acknowledged'; data: { to: string; token: string; ms: number } }
  /**
   * A message of the communication plan, as its file then was (`hash`); `refused` says why the channel did not take it.
   * `moment`: the event that it tells of; `null` for a test.
   */
  | {
      kind: 'message.sent';
      data: { message: string; channel: string; hash: string; refused: string | null; moment: string | null };
    }
  | { kind: 'note'; data: { text: string } };

export type JournalKind = JournalEntry['kind'];

/** One line of the append-only journal. `seq` rises by one for each rollout's event, `id` is what reports cite. */
export type JournalEvent = JournalEntry & {
  readonly seq: number;
  readonly id: string;
  readonly at: string;
  readonly rollout: string;
  readonly phase: PhaseId | null;
  /** The check, step, alert or transfer that the event is about. */
  readonly subject: string | null;
};
