import { mkdir, statfs, writeFile, access, constants } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { scenarios } from '@crossfade/audafact/scenarios';
import { startControlRoom } from '../control-room/server.ts';
import { buildReport } from '../report/build-report.ts';
import { buildPage } from '../rehearsal/page-build.ts';
import { rehearsalPlaces, type Places } from '../rehearsal/places.ts';
import { openRehearsal, type Rehearsal } from '../rehearsal/rehearse.ts';
import { isAlive, readRunState } from '../rehearsal/run-state.ts';
import type { Scenario } from '../rehearsal/scenario.ts';
import { audafactJourneys } from '../rehearsal/journeys.ts';
import { DEFAULT_CONFIG, loadConfig } from './load-config.ts';
import { EXIT } from './exit-codes.ts';
import type { CommandFlags } from './main.ts';
import { printSummary } from './summary.ts';
import { createTerminalView } from './terminal-view.ts';
import { UserError } from './user-error.ts';

/** A rehearsal's world, its copy in R2, the databases and the evidence, bytes. */
const NEEDED_BYTES = 2.5e9;
const DEFAULT_PORT = 4400;

function chosenScenario(name: string): Scenario {
  const scenario = scenarios.find((one) => one.name === name);
  if (scenario !== undefined) return scenario;
  throw new UserError(
    'CROSSFADE_SCENARIO_UNKNOWN',
    `there is no scenario ${JSON.stringify(name)}`,
    `there are: ${scenarios.map((one) => one.name).join(', ')}`,
  );
}

function chosenPort(text: string | undefined): { port: number; fixed: boolean } {
  if (text === undefined) return { port: DEFAULT_PORT, fixed: false };
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new UserError(
      'CROSSFADE_PORT_INVALID',
      `${JSON.stringify(text)} is no port`,
      'name a number from 1 to 65535',
    );
  return { port, fixed: true };
}

/** Everything that can be known to be wrong before anything is started. */
async function checkBefore(
  flags: CommandFlags,
  places: Places,
): Promise<{ scenario: Scenario; port: { port: number; fixed: boolean } }> {
  const earlier = await readRunState(places.state);
  if (earlier !== null && !earlier.finished && earlier.pid !== process.pid && isAlive(earlier.pid)) {
    throw new UserError(
      'CROSSFADE_REHEARSAL_RUNS',
      `the rehearsal ${earlier.rollout} already runs here (process ${earlier.pid})`,
      'end it with Ctrl-C in its terminal, or wait',
    );
  }
  if (flags.resume === true && (earlier === null || earlier.finished)) {
    throw new UserError(
      'CROSSFADE_NOTHING_TO_RESUME',
      'there is no interrupted rehearsal here',
      'start one: npm start',
    );
  }
  const scenario = chosenScenario(
    flags.resume === true && earlier !== null ? earlier.scenario : (flags.scenario ?? 'smooth'),
  );
  const port = chosenPort(flags.port);
  if (flags.report !== undefined) {
    const folder = dirname(resolve(flags.report));
    await access(folder, constants.W_OK).catch(() => {
      throw new UserError(
        'CROSSFADE_REPORT_FOLDER',
        `the report cannot be written: there is no writable folder ${folder}`,
        'name another file with --report',
      );
    });
  }
  await mkdir(places.root, { recursive: true });
  const disk = await statfs(places.root);
  const free = disk.bavail * disk.bsize;
  if (free < NEEDED_BYTES) {
    throw new UserError(
      'CROSSFADE_DISK_FULL',
      `${(free / 1e9).toFixed(1)} GB are free at ${places.root}, a rehearsal needs ${NEEDED_BYTES / 1e9} GB`,
      'free some space, then run the command again',
    );
  }
  return { scenario, port };
}

/** `crossfade rehearse`: plays a scenario on this machine and answers with its exit code. */
export async function rehearseCommand(flags: CommandFlags): Promise<number> {
  const places = await rehearsalPlaces(process.cwd());
  const { scenario, port } = await checkBefore(flags, places);
  const interrupted = new AbortController();
  // Terminals, npm and the start script each pass Ctrl-C on: the first counts, the others change nothing.
  const interrupt = (): void => interrupted.abort(new Error('interrupted'));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);

  const view = createTerminalView(process.stderr);
  const onInterrupt = new Promise<'interrupted'>((done) => {
    interrupted.signal.addEventListener('abort', () => done('interrupted'), { once: true });
  });
  let rehearsal: Rehearsal | null = null;
  let room: Awaited<ReturnType<typeof startControlRoom>> | null = null;
  try {
    view.heading(`Rehearsal "${scenario.name}": ${scenario.summary}`);
    const opening = openRehearsal({
      scenario,
      resume: flags.resume === true,
      places,
      loadConfig: (env) => loadConfig(flags.config ?? DEFAULT_CONFIG, env),
      journeys: audafactJourneys(),
      say: view.say,
      signal: interrupted.signal,
    });
    // Interrupted while it opens: it notices at its next step and undoes what it did.
    rehearsal = await opening;
    const { controller, config } = rehearsal;
    await buildPage(fileURLToPath(new URL('../../../../apps/dashboard', import.meta.url)), view.say);
    room = await startControlRoom({ journal: controller.journal, evidenceFolder: places.evidence, ...port });
    view.room(room.url, port.port);
    view.follow(controller.journal, config, controller.titles);
    const outcome = await Promise.race([rehearsal.run(), onInterrupt]);
    if (outcome === 'interrupted') return EXIT.interrupted;
    view.end();
    const report = buildReport(await controller.journal.read());
    const reportFile = resolve(flags.report ?? `${places.archives}/${report.rollout}.report.json`);
    await mkdir(dirname(reportFile), { recursive: true });
    await writeFile(reportFile, `${JSON.stringify(report, null, 2)}\n`);
    if (flags.json === true) process.stdout.write(`${JSON.stringify(report)}\n`);
    printSummary(process.stderr, report, reportFile, scenario);
    if (flags.exit !== true) {
      view.say(`the control room stays at ${room.url}; Ctrl-C ends it`);
      await onInterrupt;
    }
    return exitCodeOf(report.outcome, report.rollback !== null);
  } catch (error) {
    if (interrupted.signal.aborted) return EXIT.interrupted;
    throw error;
  } finally {
    view.end();
    if (interrupted.signal.aborted) view.say('stopping everything that was started …');
    await room?.close();
    await rehearsal?.close();
  }
}

function exitCodeOf(outcome: 'completed' | 'rolled-back' | 'failed', rollbackTried: boolean): number {
  if (outcome === 'completed') return EXIT.done;
  if (outcome === 'rolled-back') return EXIT.rolledBack;
  return rollbackTried ? EXIT.rollbackIncomplete : EXIT.failed;
}
