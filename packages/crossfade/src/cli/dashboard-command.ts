import { followJournal } from '../rollout/journal-feed.ts';
import { EXIT } from './exit-codes.ts';
import { interruption } from './interruption.ts';
import type { CommandFlags } from './main.ts';
import { withJournal } from './rollout-journal.ts';
import { openRolloutRoom } from './rollout-room.ts';

/** `crossfade dashboard`: the control room of the rollout that is under way, whoever drives it, until Ctrl-C. */
export async function dashboardCommand(flags: CommandFlags): Promise<number> {
  const signal = interruption();
  const say = (line: string): void => void process.stderr.write(`  ${line}\n`);
  return withJournal(flags, async ({ databaseUrl, journal, config, rollout, evidenceFolder }) => {
    const feed = await followJournal(databaseUrl, journal);
    const room = await openRolloutRoom({
      flags,
      journal: feed.journal,
      config,
      evidenceFolder,
      say,
      decide: async (decision, by) =>
        (await journal.append({ kind: 'operator.decided', data: { decision, ...by } }, { phase: null })).id,
    });
    try {
      say(`${rollout}: ${room.url}`);
      if (flags.json === true)
        process.stdout.write(`${JSON.stringify({ rollout, url: room.url, next: ['crossfade status'] })}\n`);
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      return EXIT.interrupted;
    } finally {
      await room.close();
      await feed.close();
    }
  });
}
