#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import { parseArgs } from 'node:util';
import { isUnreachable } from '../providers/provider-error.ts';
import { errorText } from '../rollout/error-text.ts';
import { EXIT } from './exit-codes.ts';
import { asUserError, UserError } from './user-error.ts';

// What a command loads is compiled once for all later runs; most of a short run's time would go there.
enableCompileCache();

const HELP = `crossfade: moves an app's media to Cloudflare R2 in production, without a gap

  crossfade rehearse            play a whole rollout on this machine
      --scenario NAME           smooth (default); an unknown name shows them all
      --all                     each scenario after the other, and a table; with --scenario A,B only these
      --rate N                  arrivals a second in the audience (default: 60)
      --pieces N                ranges that each listener reads of a track (default: 1)
      --seed N                  the audience chooses as it did with this seed (default: another each time)
      --exit                    end when the rollout has ended (otherwise the page stays until Ctrl-C)
      --report FILE             write the report of the rollout
      --resume                  go on with the rehearsal that was interrupted
      --port N                  port of the control room (default: 4400, or the next free one)
  crossfade cloud               the rehearsal's cloud by itself, for the commands below
      --env FILE                where its addresses and credentials are written (default: .crossfade/cloud.env)
  crossfade stage               make staging exist as the config says; run again, it corrects drift
      --env FILE                addresses and credentials, beneath the process's own environment
      --dry-run                 print the very calls, make none
      --take-over               use names that hold what Crossfade did not make
  crossfade stage validate      measure the fifteen promises of staging
      --report FOLDER           where the HTML and JSON reports and the evidence go
  crossfade prepare             production stands ready beside the old system, and every gate is measured
  crossfade cutover             the Worker, DNS, verification, an hour of watching; rolls back by itself
  crossfade watch | cleanup | archive
                                what comes after; each of these goes on where it was interrupted
      --env FILE  --dry-run     as above
      --as NAME                 who drives it (default: the system's user)
      in a terminal, h holds before the next phase, g goes on, a aborts (asks first), ? lists them
  crossfade hold | approve | abort
                                what the process that drives the rollout is told, from any machine
  crossfade approve GATE        signs for a gate's evidence as it is now
      --as NAME  --note TEXT    who says so, and why
  crossfade worker              copies along with the other machines on the same DATABASE_URL, until Ctrl-C
      --once                    until nothing is left
      --concurrency N           objects on their way at once, at most; auto without it
  crossfade rollback immediate | dns | full | data
                                takes production back by hand
      data --to TIME            the media as they were then (ISO, with its zone), from the kept versions
      --beside BUCKET           into a bucket of its own instead
      --dry-run                 name each change, make none
  crossfade copy FROM TO        every object of FROM is in TO, proven by its bytes; run again, it goes on
      --include GLOB  --exclude GLOB  --prefix P  --bandwidth 10M  --dry-run  --manifest FILE  --until-caught-up
      --shared                  with every crossfade worker on the same DATABASE_URL
  crossfade verify FROM TO      what is missing, extra or different in TO
      --deep  --repair          reads both sides; copies again what is wrong
      (all options and how locations are written: crossfade copy --help, verify --help)
  crossfade dashboard           the control room of the rollout that is under way
  crossfade status [--json]     what the last rehearsal's journal says
      --env FILE                what the real rollout's says
  crossfade doctor              what is missing on this machine, and how to get it

Everywhere: --config FILE, --json, --help
Exit codes: 0 done, 1 a gate or check failed, 2 the command or config is wrong, 3 rolled back,
4 a provider could not be reached, 5 rollback incomplete (a person is needed), 130 interrupted
`;

/** Arguments of their own that commands take at most; the others take none. */
const ARGUMENTS: ReadonlyMap<string, number> = new Map([
  ['stage', 1],
  ['rollback', 1],
  ['approve', 1],
  ['copy', 2],
  ['verify', 2],
]);

const OPTIONS = {
  scenario: { type: 'string' },
  all: { type: 'boolean' },
  rate: { type: 'string' },
  pieces: { type: 'string' },
  seed: { type: 'string' },
  exit: { type: 'boolean' },
  report: { type: 'string' },
  resume: { type: 'boolean' },
  port: { type: 'string' },
  config: { type: 'string' },
  env: { type: 'string' },
  'dry-run': { type: 'boolean' },
  'take-over': { type: 'boolean' },
  as: { type: 'string' },
  note: { type: 'string' },
  include: { type: 'string', multiple: true },
  exclude: { type: 'string', multiple: true },
  prefix: { type: 'string' },
  bandwidth: { type: 'string' },
  requests: { type: 'string' },
  'egress-limit': { type: 'string' },
  limits: { type: 'string' },
  concurrency: { type: 'string' },
  manifest: { type: 'string' },
  'no-verify': { type: 'boolean' },
  'until-caught-up': { type: 'boolean' },
  'max-lag': { type: 'string' },
  deep: { type: 'boolean' },
  repair: { type: 'boolean' },
  shared: { type: 'boolean' },
  once: { type: 'boolean' },
  to: { type: 'string' },
  beside: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

export type CommandFlags = ReturnType<typeof readArguments>['values'];

function readArguments() {
  try {
    return parseArgs({ args: process.argv.slice(2), options: OPTIONS, allowPositionals: true });
  } catch (error) {
    // Node's own words name the option; the rest of its advice is about its API.
    const message = errorText(error).split('. To specify')[0] ?? '';
    throw new UserError('CROSSFADE_ARGUMENT_UNKNOWN', message, 'see: crossfade --help');
  }
}

async function main(): Promise<number> {
  const { values, positionals } = readArguments();
  const [command, ...rest] = positionals;
  if (values.help === true && (command === 'copy' || command === 'verify')) {
    process.stdout.write((await import('./transfer-help.ts')).TRANSFER_HELP);
    return EXIT.done;
  }
  if (values.help === true || command === undefined) {
    process.stdout.write(HELP);
    return command === undefined && values.help !== true ? EXIT.usage : EXIT.done;
  }
  const most = ARGUMENTS.get(command) ?? 0;
  if (rest.length > most)
    throw new UserError(
      'CROSSFADE_ARGUMENT_UNKNOWN',
      `${command} takes no argument ${JSON.stringify(rest[most])}`,
      'see: crossfade --help',
    );
  switch (command) {
    case 'rehearse':
      return (await import('./rehearse-command.ts')).rehearseCommand(values);
    case 'cloud':
      return (await import('./cloud-command.ts')).cloudCommand(values);
    case 'stage':
      return (await import('./stage-command.ts')).stageCommand(values, rest[0]);
    case 'prepare':
    case 'cutover':
    case 'watch':
    case 'cleanup':
    case 'archive':
      return (await import('./phase-command.ts')).phaseCommand(command, values);
    case 'rollback':
      return (await import('./rollback-command.ts')).rollbackCommand(rest[0], values);
    case 'worker':
      return (await import('./worker-command.ts')).workerCommand(values);
    case 'hold':
    case 'abort':
      return (await import('./decide-command.ts')).decideCommand(command, values);
    case 'approve':
      return rest[0] === undefined
        ? (await import('./decide-command.ts')).decideCommand('go', values)
        : (await import('./sign-command.ts')).signCommand(rest[0], values);
    case 'copy':
      return (await import('./copy-command.ts')).copyCommand(rest, values);
    case 'verify':
      return (await import('./verify-command.ts')).verifyCommand(rest, values);
    case 'dashboard':
      return (await import('./dashboard-command.ts')).dashboardCommand(values);
    case 'status':
      return (await import('./status-command.ts')).statusCommand(values);
    case 'doctor':
      return (await import('./doctor-command.ts')).doctorCommand(values);
    default:
      throw new UserError(
        'CROSSFADE_COMMAND_UNKNOWN',
        `there is no command ${JSON.stringify(command)}`,
        'see: crossfade --help',
      );
  }
}

/** The only place that turns an error into an exit code. */
function fail(error: unknown): number {
  const user = asUserError(error);
  if (user !== null) {
    process.stderr.write(`\ncrossfade: ${user.message}\n  ${user.hint}  [${user.code}]\n`);
    return user.exitCode;
  }
  if (isUnreachable(error)) {
    process.stderr.write(
      `\ncrossfade: ${errorText(error)}\n  check the address and the network, then run the command again  [CROSSFADE_UNREACHABLE]\n`,
    );
    return EXIT.unreachable;
  }
  const details = process.env['CROSSFADE_DEBUG'] === '1' && error instanceof Error ? `\n${error.stack ?? ''}` : '';
  process.stderr.write(
    `\ncrossfade: ${errorText(error)}\n  this should not happen; CROSSFADE_DEBUG=1 shows where  [CROSSFADE_INTERNAL]${details}\n`,
  );
  return EXIT.failed;
}

// Nothing may keep the process alive once the command has answered.
process.exit(await main().catch(fail));
