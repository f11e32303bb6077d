import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { buildReport } from '../report/build-report.ts';
import { rehearsalPlaces } from '../rehearsal/places.ts';
import { openRehearsal, type Rehearsal } from '../rehearsal/rehearse.ts';
import { errorText } from '../rollout/error-text.ts';
import { audafactJourneys } from '../rehearsal/journeys.ts';
import { DEFAULT_CONFIG, loadConfig } from './load-config.ts';
import { EXIT } from './exit-codes.ts';
import type { CommandFlags } from './main.ts';
import { exitCodeOf } from './outcome.ts';
import { chooseRehearsal, demandRoomToGoOn, watchRoom } from './rehearse-needs.ts';
import { writeReport } from './report-files.ts';
import { openRolloutRoom } from './rollout-room.ts';
import { printSummary } from './summary.ts';
import { isSupervised, supervise } from './supervise.ts';
import { startTerminalKeys } from './terminal-keys.ts';
import { createTerminalView } from './terminal-view.ts';

/** `crossfade rehearse`: plays a scenario on this machine and answers with its exit code. */
export async function rehearseCommand(flags: CommandFlags): Promise<number> {
  if (flags.all === true) return (await import('./rehearse-all.ts')).rehearseAll(flags);
  const places = await rehearsalPlaces(process.cwd());
  const { scenario, port, audienceLoad } = await chooseRehearsal(flags, places);
  if (scenario.supervised === true && !isSupervised()) return supervise(process.argv.slice(2));
  const stop = new AbortController();
  const interruption = new Error('interrupted');
  // Terminals, npm and the start script each pass Ctrl-C on: the first counts, the others change nothing.
  const interrupt = (): void => stop.abort(interruption);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);
  // An error that nobody caught still has to end what was started; the interruption itself is no error.
  const uncaught = Promise.withResolvers<never>();
  uncaught.promise.catch(() => {});
  process.on('uncaughtException', (error) => {
    if (error !== stop.signal.reason) uncaught.reject(error);
  });

  const view = createTerminalView(process.stderr);
  const onInterrupt = new Promise<void>((done) => {
    stop.signal.addEventListener('abort', () => done(), { once: true });
  });
  let rehearsal: Rehearsal | null = null;
  let endKeys: () => void = () => {};
  let controlRoom: Awaited<ReturnType<typeof openRolloutRoom>> | null = null;
  const disk = watchRoom(places, (error) => stop.abort(error));
  try {
    view.heading(`Rehearsal "${scenario.name}": ${scenario.summary}`);
    const opening = openRehearsal({
      scenario,
      resume: flags.resume === true,
      audienceLoad,
      places,
      loadConfig: (env) => loadConfig(flags.config ?? DEFAULT_CONFIG, env),
      journeys: audafactJourneys(),
      say: view.say,
      signal: stop.signal,
    });
    // Interrupted while it opens: it notices at its next step and undoes what it did.
    rehearsal = await opening;
    const { controller, config } = rehearsal;
    const { journal } = controller;
    const { decide } = controller;
    const evidenceFolder = join(places.evidence, rehearsal.state.rollout);
    controlRoom = await openRolloutRoom({ flags, journal, config, evidenceFolder, decide, say: view.say });
    view.room(controlRoom.url, port.port);
    view.follow(journal, config, controller.titles, await journal.read());
    const { stdin: input, stderr: output } = process;
    endKeys = startTerminalKeys({ input, output, journal, decide, as: userInfo().username, view, interrupt });
    await Promise.race([rehearsal.run(), uncaught.promise]);
    endKeys();
    view.end();
    const events = await controller.journal.read();
    const report = buildReport(events);
    const reportFile = resolve(flags.report ?? `${places.archives}/${report.rollout}.report.json`);
    await writeReport(reportFile, report, events);
    if (flags.json === true) process.stdout.write(`${JSON.stringify(report)}\n`);
    printSummary(process.stderr, report, { reportFile, scenario });
    if (flags.exit !== true) {
      view.say(`the control room stays at ${controlRoom.url}; Ctrl-C ends it`);
      await onInterrupt;
    }
    return exitCodeOf(report);
  } catch (error) {
    if (stop.signal.reason === interruption) return EXIT.interrupted;
    // Whatever broke first: on a full disk, that is what a person has to know.
    await demandRoomToGoOn(places);
    throw error;
  } finally {
    disk.stop();
    endKeys();
    view.end();
    if (stop.signal.aborted) view.say('stopping everything that was started …');
    await controlRoom?.close();
    // What could not be stopped must not hide why it had to be.
    await rehearsal?.close().catch((error: unknown) => view.say(`not all could be stopped: ${errorText(error)}`));
  }
}
