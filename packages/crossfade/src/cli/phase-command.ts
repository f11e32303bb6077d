import { userInfo } from 'node:os';
import { writeFile } from 'node:fs/promises';
import { LockLost } from '../engine/operator-session.ts';
import { startSampler } from '../monitor/metrics-sampler.ts';
import { buildReport } from '../report/build-report.ts';
import { cutoverCalls } from './dry-run-calls.ts';
import { EXIT } from './exit-codes.ts';
import type { CommandFlags } from './main.ts';
import { interruption } from './interruption.ts';
import { openRollout } from './open-rollout.ts';
import { exitCodeOf, handWork } from './outcome.ts';
import { nextAfter, partOf, type PhaseCommand } from './phase-commands.ts';
import { refuseEarly } from './phase-order.ts';
import { printCalls } from './print-calls.ts';
import { openRolloutRoom } from './rollout-room.ts';
import { startTerminalKeys } from './terminal-keys.ts';
import { createTerminalView } from './terminal-view.ts';
import { UserError } from './user-error.ts';

/** While these run, production's metrics are read for the control room and the report. */
const SAMPLED: ReadonlySet<PhaseCommand> = new Set(['cutover', 'watch']);
/** Four questions each to the vendor's analytics, which take 300 in five minutes from all of an account. */
const SAMPLE_EVERY_MS = 15_000;

/** `crossfade prepare | cutover | watch | cleanup | archive`: walks its phases, or goes on where it was interrupted. */
export async function phaseCommand(command: PhaseCommand, flags: CommandFlags): Promise<number> {
  if (flags['dry-run'] === true) return printCalls(await cutoverCalls(command, flags), flags.json === true, command);
  const signal = interruption();
  const view = createTerminalView(process.stderr);
  const opened = await openRollout({
    flags,
    command,
    part: (whole) => partOf(whole, command),
    begins: command === 'prepare',
    signal,
  });
  const { controller, config, rollout, evidenceFolder } = opened;
  try {
    const before = await controller.journal.read();
    const began = before.some((event) => event.kind === 'rollout.started');
    refuseEarly(command, began ? buildReport(before).phases : []);
  } catch (error) {
    await opened.close();
    throw error;
  }
  const { journal, decide } = controller;
  const room = await openRolloutRoom({ flags, journal, config, evidenceFolder, decide, say: view.say }).catch(
    async (error: unknown) => {
      await opened.close();
      throw error;
    },
  );
  let endKeys: () => void = () => {};
  try {
    view.heading(`${rollout}: ${command}${controller.part.resumed ? ' goes on' : ''}`);
    view.say(`control room: ${room.url}`);
    view.follow(controller.journal, config, controller.titles);
    const { stdin: input, stderr: output } = process;
    const interrupt = (): void => void process.kill(process.pid, 'SIGINT');
    const as = flags.as ?? userInfo().username;
    endKeys = startTerminalKeys({ input, output, journal, decide, as, view, interrupt });
    const sampler = SAMPLED.has(command) ? startSampler(controller.context, SAMPLE_EVERY_MS) : null;
    const outcome = await controller.run().finally(() => sampler?.stop());
    endKeys();
    if (command === 'archive' && outcome.outcome === 'completed')
      await controller.context.record({ kind: 'rollout.finished', data: outcome, key: 'rollout/finished' });
    view.end();
    const events = await controller.journal.read();
    const report = buildReport(events);
    if (flags.report !== undefined) await writeFile(flags.report, `${JSON.stringify(report, null, 2)}\n`);
    const next = nextAfter(command, outcome.outcome);
    if (flags.json === true)
      process.stdout.write(`${JSON.stringify({ rollout, command, ...outcome, next, report })}\n`);
    process.stderr.write(
      `\n  ${rollout}: ${command} ${outcome.outcome}${outcome.reason === null ? '' : `: ${outcome.reason}`}\n`,
    );
    for (const line of handWork(events)) process.stderr.write(`  by hand: ${line}\n`);
    for (const line of next) process.stderr.write(`  next: ${line}\n`);
    return exitCodeOf(outcome);
  } catch (error) {
    if (signal.aborted) return EXIT.interrupted;
    if (error instanceof LockLost)
      throw new UserError('CROSSFADE_LOCK_LOST', error.message, 'see who drives it: crossfade status', EXIT.failed);
    throw error;
  } finally {
    endKeys();
    view.end();
    await room.close();
    await opened.close();
  }
}
