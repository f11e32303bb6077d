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
