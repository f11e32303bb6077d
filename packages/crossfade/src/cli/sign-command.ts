import { approveCommand } from './approve-command.ts';
import type { CommandFlags } from './main.ts';
import { withJournal } from './rollout-journal.ts';

/** `crossfade approve GATE --as NAME --note …`: somebody vouches for the gate's evidence as it is now. */
export function signCommand(gate: string, { as, note, json, ...flags }: CommandFlags): Promise<number> {
  return withJournal(flags, ({ journal, config }) =>
    approveCommand({ gate, as, note, json: json === true }, journal, config),
  );
}
