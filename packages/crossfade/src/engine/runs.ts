import type { Json } from '../rollout/json.ts';
import type { JournalEvent } from '../rollout/journal-event.ts';
import type { Journal } from '../rollout/journal.ts';
import type { PhaseId, RolloutPlan, Step } from '../rollout/plan.ts';
import type { StepTaken } from './walk.ts';

/** One command's part of a rollout: begun once, and gone on with until it reaches an outcome. */
export interface Run {
  readonly command: string;
  /** From 1: a command that reached an outcome is begun anew as the next attempt. */
  readonly attempt: number;
  /** `cutover-2`: what the engine keeps its checkpoints under. */
  readonly id: string;
  /** `seq` of the event that it began with. */
  readonly since: number;
  /** Whether an earlier life of it was interrupted. */
  readonly resumed: boolean;
}

const runId = (command: string, attempt: number): string => `${command}-${attempt}`;

/** Goes on with the interrupted run of this command, or begins its next attempt. */
export async function beginRun(journal: Journal, command: string, operator: string): Promise<Run> {
  const last = lastRun(await journal.read(), command);
  const resumed = last !== null && !last.finished;
  const attempt = last === null ? 1 : last.attempt + (last.finished ? 1 : 0);
  const id = runId(command, attempt);
  const event = await journal.append(
    { kind: 'run.started', data: { command, attempt, operator } },
    { phase: null, subject: id, key: `${id}/run.started` },
  );
  return { command, attempt, id, since: event.seq, resumed };
}

/** The newest attempt of a command; `null` when it was never begun. */
export function lastRun(
  events: readonly JournalEvent[],
  command: string,
): { attempt: number; finished: Extract<JournalEvent, { kind: 'run.finished' }> | null } | null {
  const started = events.findLast((event) => event.kind === 'run.started' && event.data.command === command);
  if (started?.kind !== 'run.started') return null;
  const { attempt } = started.data;
  const finished = events.findLast(
    (event) => event.kind === 'run.finished' && event.data.command === command && event.data.attempt === attempt,
  );
  return { attempt, finished: finished?.kind === 'run.finished' ? finished : null };
}

/** What a step found before it acted, unless it was compensated since: what a later rollback has to put back. */
export function stepsTaken(plan: RolloutPlan, events: readonly JournalEvent[]): StepTaken[] {
  const steps = new Map<string, { phase: PhaseId; step: Step }>();
  for (const phase of plan.phases)
    for (const part of phase.parts)
      if (part.kind === 'step') steps.set(`${phase.id}/${part.step.id}`, { phase: phase.id, step: part.step });
  const taken = new Map<string, StepTaken>();
  for (const event of events) {
    const name = `${event.phase}/${event.subject}`;
    const known = steps.get(name);
    if (known === undefined) continue;
    // The first look of several attempts saw the world as it was before any of them.
    if (event.kind === 'step.looked' && !taken.has(name)) taken.set(name, { ...known, before: toBefore(event.data) });
    if (event.kind === 'compensation.finished') taken.delete(name);
  }
  return [...taken.values()];
}

const toBefore = ({ before }: { before: Json }): Json => before;
