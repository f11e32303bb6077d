import { signGate } from '../checks/team/sign-off.ts';
import { buildControlRoomPage } from '../control-room/page.ts';
import { startControlRoom } from '../control-room/server.ts';
import type { Controller } from '../engine/controller.ts';
import type { RolloutConfig } from '../rollout/config.ts';
import type { Journal } from '../rollout/journal.ts';
import type { CommandFlags } from './main.ts';
import { chosenPort } from './rehearse-needs.ts';

/** The control room of one rollout: what happens, and who decides. */
export async function openRolloutRoom(options: {
  readonly flags: CommandFlags;
  readonly journal: Journal;
  readonly config: RolloutConfig;
  readonly evidenceFolder: string;
  readonly decide: Controller['decide'];
  readonly say: (line: string) => void;
}): Promise<{ url: string; close(): Promise<void> }> {
  const { flags, journal, config, evidenceFolder, decide, say } = options;
  await buildControlRoomPage(say);
  return startControlRoom({
    journal,
    evidenceFolder,
    decide,
    async sign(gate, { as, note }) {
      await signGate(journal, config, { gate, as, note }, Date.now());
      return (await journal.read()).findLast((event) => event.kind === 'gate.signed')?.id ?? '';
    },
    ...chosenPort(flags.port),
  });
}
