import type { WalkOutcome } from '../engine/walk.ts';
import type { JournalEvent } from '../rollout/journal-event.ts';
import type { PhaseId, RolloutPlan } from '../rollout/plan.ts';

/** The commands that walk a part of a real rollout, and what makes sense after each. */
export const PHASE_COMMANDS = {
  prepare: { phases: ['preparation'], next: ['crossfade approve cutover', 'crossfade cutover'] },
  cutover: {
    phases: ['cutover.worker', 'cutover.dns', 'cutover.verify', 'cutover.monitor'],
    next: ['crossfade watch'],
  },
  watch: { phases: ['watch'], next: ['crossfade cleanup'] },
  cleanup: { phases: ['cleanup'], next: ['crossfade archive'] },
  archive: { phases: ['archive'], next: ['crossfade status'] },
} as const satisfies Readonly<Record<string, { phases: readonly PhaseId[]; next: readonly string[] }>>;
export type PhaseCommand = keyof typeof PHASE_COMMANDS;

export const isPhaseCommand = (name: string): name is PhaseCommand => Object.hasOwn(PHASE_COMMANDS, name);

/** The phases of one command out of the whole plan; every rollback stays at hand. */
export function partOf(whole: RolloutPlan, command: PhaseCommand): RolloutPlan {
  const wanted: readonly PhaseId[] = PHASE_COMMANDS[command].phases;
  return { ...whole, phases: whole.phases.filter((phase) => wanted.includes(phase.id)) };
}

/** The commands that make sense once one of these has ended. */
export function nextAfter(command: PhaseCommand, outcome: WalkOutcome['outcome']): readonly string[] {
  if (outcome === 'completed') return PHASE_COMMANDS[command].next;
  // What was taken back has to be made ready anew.
  if (outcome === 'rolled-back') return ['crossfade status', 'crossfade prepare'];
  return ['crossfade status', `crossfade ${command}`];
}

/** After a part that is complete comes the next one; any other is gone on with. */
export function nextOf(events: readonly JournalEvent[]): readonly string[] {
  // What is restored moves nobody: the rollout stands where it stood.
  const run = events.findLast(
    (event) => event.kind === 'run.started' && !event.data.command.startsWith('rollback data'),
  );
  if (run?.kind !== 'run.started') return ['crossfade stage'];
  const { command } = run.data;
  const ended = events.findLast(
    (event) => event.kind === 'run.finished' && event.seq > run.seq && event.data.command === command,
  );
  const outcome = ended?.kind === 'run.finished' ? ended.data.outcome : null;
  // An interrupted one is gone on with, and so is one that failed: its reason says what to mend first.
  if (outcome === null || outcome === 'failed') return [`crossfade ${command}`];
  if (isPhaseCommand(command)) return nextAfter(command, outcome).filter((next) => next !== 'crossfade status');
  if (outcome === 'rolled-back') return ['crossfade prepare'];
  return command === 'stage' ? ['crossfade stage validate'] : ['crossfade prepare'];
}
