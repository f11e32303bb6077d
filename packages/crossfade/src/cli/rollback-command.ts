import { rollBack } from '../engine/roll-back.ts';
import { PHASE_IDS, type PhaseId, type RollbackKind } from '../rollout/plan.ts';
import type { JournalEvent } from '../rollout/journal-event.ts';
import { EXIT } from './exit-codes.ts';
import type { CommandFlags } from './main.ts';
import { interruption } from './interruption.ts';
import { openRollout } from './open-rollout.ts';
import { exitCodeOf, handWork } from './outcome.ts';
import { createTerminalView } from './terminal-view.ts';
import { restoreCommand } from './restore-command.ts';
import { UserError } from './user-error.ts';

const KINDS: readonly RollbackKind[] = ['immediate', 'dns', 'full', 'data'];

function chosenKind(kind: string | undefined): RollbackKind {
  const found = KINDS.find((one) => one === kind);
  if (found !== undefined) return found;
  throw new UserError(
    'CROSSFADE_ROLLBACK_UNKNOWN',
    kind === undefined ? 'which rollback?' : `there is no rollback ${JSON.stringify(kind)}`,
    `crossfade rollback ${KINDS.join(' | ')}`,
  );
}

/** The phase that the rollout is in, as far as its journal tells. */
function phaseOf(events: readonly JournalEvent[]): PhaseId {
  return events.findLast((event) => event.kind === 'phase.started')?.phase ?? PHASE_IDS[1];
}

/**
 * `crossfade rollback immediate | dns | full | data`: takes production back by hand, with the same actions, proofs and
 * budgets as a rollback that Crossfade decides on itself. Run again, it goes on where it was interrupted.
 */
export async function rollbackCommand(kindName: string | undefined, flags: CommandFlags): Promise<number> {
  const kind = chosenKind(kindName);
  if (flags.to !== undefined || flags.beside !== undefined) {
    if (kind !== 'data' || flags.to === undefined)
      throw new UserError(
        'CROSSFADE_ARGUMENT_UNKNOWN',
        kind === 'data' ? '--beside needs the time to restore' : `rollback ${kind} takes no --to or --beside`,
        'crossfade rollback data --to TIME [--beside BUCKET]',
      );
    return restoreCommand(flags.to, flags);
  }
  if (flags['dry-run'] === true)
    throw new UserError(
      'CROSSFADE_ARGUMENT_UNKNOWN',
      `rollback ${kind} has no dry run`,
      'only a restore to a point in time has one: crossfade rollback data --to TIME --dry-run',
    );
  const signal = interruption();
  const view = createTerminalView(process.stderr);
  const opened = await openRollout({
    flags,
    command: `rollback ${kind}`,
    part: (whole) => ({ ...whole, phases: [] }),
    begins: false,
    signal,
  });
  const { controller, config, rollout } = opened;
  try {
    view.heading(`${rollout}: rollback ${kind}`);
    view.follow(controller.journal, config, controller.titles);
    const phase = phaseOf(await controller.journal.read());
    const trouble = {
      measure: `asked for by ${flags.as ?? 'an operator'}${flags.note === undefined ? '' : ` (${flags.note})`}`,
      measured: null,
      expected: null,
      since: new Date().toISOString(),
    };
    const outcome = await controller.perform((walk) => rollBack(walk, phase, kind, trouble, walk.takenBefore));
    view.end();
    const events = await controller.journal.read();
    const next =
      outcome.outcome === 'rolled-back' ? ['crossfade status', 'crossfade prepare'] : [`crossfade rollback ${kind}`];
    if (flags.json === true) process.stdout.write(`${JSON.stringify({ rollout, kind, ...outcome, next })}\n`);
    for (const line of handWork(events)) process.stderr.write(`  by hand: ${line}\n`);
    for (const line of next) process.stderr.write(`  next: ${line}\n`);
    // What was asked for was done: that is no failure.
    return outcome.outcome === 'rolled-back' ? EXIT.done : exitCodeOf(outcome);
  } catch (error) {
    if (signal.aborted) return EXIT.interrupted;
    throw error;
  } finally {
    view.end();
    await opened.close();
  }
}
