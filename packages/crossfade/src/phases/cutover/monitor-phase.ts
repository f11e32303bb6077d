import type { Observation, Phase } from '../../rollout/plan.ts';
import { observeProduction } from '../../monitor/observation.ts';

/** Phase 4 of the PRD's cutover: an hour of watching (scaled in a rehearsal); the sentinel stops it early. */
export function monitorPhase(options: { plannedMs: number; durationMs: number }): Phase {
  const observation: Observation = {
    id: 'monitor.observation',
    title: 'Production watched after the switch',
    proves: ['definitionOfDone.systemsOperational'],
    durationMs: options.durationMs,
    watch: (context, forMs) => observeProduction(context, forMs),
  };
  return {
    id: 'cutover.monitor',
    title: 'Cutover 4 · Monitor',
    plannedMs: options.plannedMs,
    deadlineMs: options.durationMs * 2 + 30_000,
    gate: [],
    rollback: 'full',
    mirrors: true,
    parts: [{ kind: 'observation', observation }],
  };
}
