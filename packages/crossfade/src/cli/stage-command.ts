import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { foreignParts } from '../phases/environment/ownership.ts';
import { stagingPhase, stagingStepParts, stagingValidation } from '../phases/staging/staging-phase.ts';
import type { Providers } from '../providers/providers.ts';
import { audafactJourneys } from '../rehearsal/journeys.ts';
import { buildStagingReport, type StagingReport } from '../report/staging-report.ts';
import { stagingPage } from '../report/staging-page.ts';
import type { RolloutConfig } from '../rollout/config.ts';
import type { Part } from '../rollout/plan.ts';
import { callsOf } from './dry-run-calls.ts';
import { EXIT } from './exit-codes.ts';
import type { CommandFlags } from './main.ts';
import { openProviders, openRollout } from './open-rollout.ts';
import { interruption } from './interruption.ts';
import { printCalls } from './print-calls.ts';
import { createTerminalView } from './terminal-view.ts';
import { UserError } from './user-error.ts';

const PATIENCE_MS = 3600_000;

/** `crossfade stage`: staging exists as the config says. `crossfade stage validate`: its fifteen booleans are measured. */
export async function stageCommand(flags: CommandFlags, action: string | undefined): Promise<number> {
  if (action !== undefined && action !== 'validate')
    throw new UserError(
      'CROSSFADE_ARGUMENT_UNKNOWN',
      `stage takes no argument ${JSON.stringify(action)}`,
      'see: crossfade --help',
    );
  const takeOver = flags['take-over'] === true;
  const { config, providers } = await openProviders(flags);
  try {
    if (action === undefined) await refuseForeign(config, providers, takeOver);
    if (flags['dry-run'] === true) {
      // Validating changes nothing but the canaries' own files, which it removes.
      const parts = action === undefined ? stagingStepParts(takeOver) : [];
      const plan = { phases: [stagingPhase({ deadlineMs: PATIENCE_MS, parts })], rollbacks: {} };
      const run = { config, providers, rollout: `${config.name}-staging`, history: [], evidenceFolder: '(none)' };
      return printCalls(await callsOf(plan, run), flags.json === true, 'stage');
    }
  } finally {
    await providers.close();
  }
  const parts = action === 'validate' ? stagingValidation(audafactJourneys(), false) : stagingStepParts(takeOver);
  return runParts({ flags, parts, validate: action === 'validate' });
}

async function refuseForeign(config: RolloutConfig, providers: Providers, takeOver: boolean): Promise<void> {
  const foreign = takeOver ? [] : await foreignParts({ config, providers }, 'staging');
  if (foreign.length > 0)
    throw new UserError(
      'CROSSFADE_NOT_OURS',
      `staging's names are taken by what Crossfade did not make:\n${foreign.map((one) => `  ${one}`).join('\n')}`,
      'choose other names in the config, or say --take-over',
      EXIT.failed,
    );
}

async function runParts({ flags, parts, validate }: Run): Promise<number> {
  const signal = interruption();
  const view = createTerminalView(process.stderr);
  view.heading(validate ? 'Staging is measured' : 'Staging is made as the config says');
  const opened = await openRollout({
    flags,
    command: validate ? 'stage validate' : 'stage',
    part: (whole) => ({ ...whole, phases: [stagingPhase({ deadlineMs: PATIENCE_MS, parts })] }),
    begins: true,
    evidence: (root, rollout) =>
      join(flags.report === undefined ? join(root, 'staging', rollout) : resolve(flags.report), 'evidence'),
    signal,
  });
  const { controller, config, rollout, evidenceFolder } = opened;
  try {
    view.follow(controller.journal, config, controller.titles);
    const { outcome } = await controller.run();
    view.end();
    if (!validate) {
      if (flags.json === true)
        process.stdout.write(`${JSON.stringify({ outcome, rollout, next: ['crossfade stage validate'] })}\n`);
      return outcome === 'completed' ? EXIT.done : EXIT.failed;
    }
    const { since } = controller.part;
    const events = (await controller.journal.read()).filter((event) => event.seq >= since);
    const report = buildStagingReport(rollout, events);
    const folder = dirname(evidenceFolder);
    await writeReport(folder, report);
    if (flags.json === true) process.stdout.write(`${JSON.stringify({ ...report, next: nextOf(report) })}\n`);
    process.stderr.write(
      `\n  ${report.proven} of ${report.lines.length} proven in ${report.seconds.toFixed(1)} s\n  ${join(folder, 'staging-validation.html')}\n\n`,
    );
    return report.proven === report.lines.length ? EXIT.done : EXIT.failed;
  } catch (error) {
    if (signal.aborted) return EXIT.interrupted;
    throw error;
  } finally {
    view.end();
    await opened.close();
  }
}

const nextOf = (report: StagingReport): string[] =>
  report.proven === report.lines.length ? ['crossfade prepare'] : ['crossfade stage', 'crossfade stage validate'];

async function writeReport(folder: string, report: StagingReport): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'staging-validation.json'), `${JSON.stringify(report, null, 2)}\n`);
  await writeFile(join(folder, 'staging-validation.html'), stagingPage(report));
}

interface Run {
  readonly flags: CommandFlags;
  readonly parts: readonly Part[];
  readonly validate: boolean;
}
