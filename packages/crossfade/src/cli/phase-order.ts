import type { RolloutReport } from '../rollout/report-shapes.ts';
import { EXIT } from './exit-codes.ts';
import type { PhaseCommand } from './phase-commands.ts';
import { UserError } from './user-error.ts';

type Chapter = RolloutReport['phases'][number]['id'];

/** What must stand before a command makes sense, and the command that gets there. */
const NEEDS: Partial<Record<PhaseCommand, { readonly chapter: Chapter; readonly by: string }>> = {
  watch: { chapter: 'cutover', by: 'crossfade cutover' },
  cleanup: { chapter: 'watch', by: 'crossfade watch' },
  archive: { chapter: 'cleanup', by: 'crossfade cleanup' },
};

/**
 * Refuses a command whose time has not come. The archive ends a rollout for good, so one that stands is cleaned up
 * first; one that was given up or taken back may be archived as it is.
 * @throws UserError CROSSFADE_TOO_EARLY, exit code 1
 */
export function refuseEarly(command: PhaseCommand, phases: RolloutReport['phases']): void {
  const needed = NEEDS[command];
  if (needed === undefined) return;
  const statusOf = (id: Chapter): string => phases.find((phase) => phase.id === id)?.status ?? 'not-run';
  const status = statusOf(needed.chapter);
  if (status === 'passed' || (command === 'archive' && statusOf('cutover') !== 'passed')) return;
  throw new UserError(
    'CROSSFADE_TOO_EARLY',
    `${command} comes after ${needed.chapter}, whose state is: ${status}`,
    `first: ${needed.by}`,
    EXIT.failed,
  );
}
