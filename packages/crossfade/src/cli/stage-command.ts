import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { randomBytes } from 'node:crypto';
import { startDatabaseServer } from '@crossfade/database-server';
import { thisOperator } from '../engine/operator-session.ts';
import { openController } from '../engine/controller.ts';
import { foreignParts } from '../phases/environment/ownership.ts';
import { stagingPhase, stagingStepParts, stagingSteps, stagingValidation } from '../phases/staging/staging-phase.ts';
import { createProviders } from '../providers/create-providers.ts';
import { createDryRun } from '../providers/dry-run.ts';
import type { Providers } from '../providers/providers.ts';
import { audafactJourneys } from '../rehearsal/journeys.ts';
import { rehearsalPlaces } from '../rehearsal/places.ts';
import { createPlatformClock } from '../rehearsal/platform-clock.ts';
import { buildStagingReport, type StagingReport } from '../report/staging-report.ts';
import { stagingPage } from '../report/staging-page.ts';
import type { Env, RolloutConfig } from '../rollout/config.ts';
import type { RolloutContext } from '../rollout/context.ts';
import type { Part, Sentinel } from '../rollout/plan.ts';
import { createRedaction, secretsOf } from '../rollout/redaction.ts';
import { toJson } from '../rollout/json.ts';
import { EXIT } from './exit-codes.ts';
import { readEnvironment } from './environment-file.ts';
import { DEFAULT_CONFIG, loadConfig } from './load-config.ts';
import type { CommandFlags } from './main.ts';
import { createTerminalView } from './terminal-view.ts';
import { UserError } from './user-error.ts';

const PATIENCE_MS = 3600_000;

/** Nothing of production is touched: nobody has to watch it. */
const NOBODY: Sentinel = { start() {}, stop: async () => {}, trouble: new Promise(() => {}) };

/** `crossfade stage`: staging exists as the config says. `crossfade stage validate`: its fifteen booleans are measured. */
export async function stageCommand(flags: CommandFlags, action: string | undefined): Promise<number> {
  if (action !== undefined && action !== 'validate')
    throw new UserError(
      'CROSSFADE_ARGUMENT_UNKNOWN',
      `stage takes no argument ${JSON.stringify(action)}`,
      'see: crossfade --help',
    );
  const env = await readEnvironment(flags.env);
  const config = await loadConfig(flags.config ?? DEFAULT_CONFIG, env);
  const clockUrl = env['CROSSFADE_CLOCK_URL'];
  const providers = createProviders(config, clockUrl === undefined ? {} : { clock: createPlatformClock(clockUrl) });
  try {
    if (action === undefined) await refuseForeign(config, providers, flags['take-over'] === true);
    if (flags['dry-run'] === true) return await dryRun(config, providers, action, flags.json === true);
    const parts = action === 'validate' ? stagingValidation(audafactJourneys(), false) : stagingStepParts();
    return await runParts({ flags, env, config, providers, parts, validate: action === 'validate' });
  } finally {
    await providers.close();
  }
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

/** Prints the very calls that `stage` would make, in order, and makes none. */
async function dryRun(
  config: RolloutConfig,
  real: Providers,
  action: string | undefined,
  json: boolean,
): Promise<number> {
  const { providers, calls } = createDryRun(real, config);
  const nothing = async (): Promise<never> => {
    throw new Error('a dry run keeps nothing');
  };
  const context: RolloutContext = {
    rollout: `${config.name}-staging`,
    config,
    providers,
    signal: new AbortController().signal,
    history: async () => [],
    record: nothing,
    keep: nothing,
    placeFor: nothing,
  };
  // Validating changes nothing but the canaries' own files, which it removes.
  if (action === undefined) for (const step of stagingSteps()) await step.run(context, await step.look(context));
  const redaction = createRedaction(secretsOf(config));
  const shown = calls.map((call) => redaction.json(toJson(call)));
  if (json) process.stdout.write(`${JSON.stringify({ calls: shown, next: ['crossfade stage'] }, null, 2)}\n`);
  else {
    for (const { method, path, body } of calls) {
      const text = body === null ? '' : ` ${redaction.text(JSON.stringify(body))}`;
      process.stdout.write(`${method} ${redaction.text(path)}${text}\n`);
    }
    process.stderr.write(`\n${calls.length} calls would be made; none was made\n`);
  }
  return EXIT.done;
}

/** The embedded database's password: made once, for this machine's address only. */
async function enginePassword(file: string): Promise<string> {
  const known = await readFile(file, 'utf8').catch(() => null);
  if (known !== null) return known;
  const made = randomBytes(16).toString('hex');
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, made, { mode: 0o600 });
  return made;
}

interface Run {
  readonly flags: CommandFlags;
  readonly env: Env;
  readonly config: RolloutConfig;
  readonly providers: Providers;
  readonly parts: readonly Part[];
  readonly validate: boolean;
}

async function runParts({ flags, env, config, providers, parts, validate }: Run): Promise<number> {
  const places = await rehearsalPlaces(process.cwd());
  const rollout = `${config.name}-staging-${new Date().toISOString().replaceAll(/[-:]|\.\d+Z/g, '')}`;
  const folder = resolve(flags.report ?? join(places.root, 'staging', rollout));
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
  const view = createTerminalView(process.stderr);
  view.heading(validate ? 'Staging is measured' : 'Staging is made as the config says');
  const database =
    env['DATABASE_URL'] === undefined
      ? await startDatabaseServer({
          folder: join(dirname(places.engine), 'stage-engine'),
          databases: ['crossfade'],
          password: await enginePassword(join(places.root, 'stage.key')),
        })
      : null;
  try {
    const controller = await openController({
      databaseUrl: database?.url('crossfade') ?? env['DATABASE_URL'] ?? '',
      rollout,
      operator: thisOperator(validate ? 'stage validate' : 'stage'),
      scenario: null,
      scale: null,
      config,
      providers,
      plan: { phases: [stagingPhase({ deadlineMs: PATIENCE_MS, parts })], rollbacks: {} },
      sentinel: NOBODY,
      evidenceFolder: join(folder, 'evidence'),
      signal: stop.signal,
    });
    try {
      view.follow(controller.journal, config, controller.titles);
      const { outcome } = await controller.run();
      view.end();
      if (!validate) {
        if (flags.json === true)
          process.stdout.write(`${JSON.stringify({ outcome, rollout, next: ['crossfade stage validate'] })}\n`);
        return outcome === 'completed' ? EXIT.done : EXIT.failed;
      }
      const report = buildStagingReport(rollout, await controller.journal.read());
      await writeReport(folder, report);
      if (flags.json === true) process.stdout.write(`${JSON.stringify({ ...report, next: nextOf(report) })}\n`);
      process.stderr.write(
        `\n  ${report.proven} of ${report.lines.length} proven in ${report.seconds.toFixed(1)} s\n  ${join(folder, 'staging-validation.html')}\n\n`,
      );
      return report.proven === report.lines.length ? EXIT.done : EXIT.failed;
    } finally {
      await controller.close();
    }
  } catch (error) {
    if (stop.signal.aborted) return EXIT.interrupted;
    throw error;
  } finally {
    view.end();
    await database?.stop();
  }
}

const nextOf = (report: StagingReport): string[] =>
  report.proven === report.lines.length ? ['crossfade rehearse'] : ['crossfade stage', 'crossfade stage validate'];

async function writeReport(folder: string, report: StagingReport): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'staging-validation.json'), `${JSON.stringify(report, null, 2)}\n`);
  await writeFile(join(folder, 'staging-validation.html'), stagingPage(report));
}
