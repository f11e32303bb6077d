import { randomInt } from 'node:crypto';
import { access, constants, mkdir, statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { scenarios } from '@crossfade/audafact/scenarios';
import type { AudienceLoad } from '@crossfade/local-cloud/audience/load';
import { attachWorld } from '@crossfade/local-cloud';
import type { Places } from '../rehearsal/places.ts';
import { USUAL_LOAD } from '../rehearsal/audience-steps.ts';
import { isAlive, readRunState } from '../rehearsal/run-state.ts';
import type { Scenario } from '../rehearsal/scenario.ts';
import { EXIT } from './exit-codes.ts';
import { configPath, DEFAULT_CONFIG } from './load-config.ts';
import type { CommandFlags } from './main.ts';
import { UserError } from './user-error.ts';

const MOST_SEED = 2 ** 31 - 1;
/** A rehearsal's world, its copy in R2, the databases and the evidence, bytes. */
export const NEEDED_BYTES = 2.5e9;
/** Less than this, bytes, and a rehearsal that runs is ended before its parts break one by one. */
const LEAST_BYTES = 0.2e9;
const LOOK_EVERY_MS = 1000;
/** Where the control room is unless somebody else is there. */
export const DEFAULT_PORT = 4400;

export interface RehearsalChoice {
  readonly scenario: Scenario;
  readonly port: { readonly port: number; readonly fixed: boolean };
  readonly audienceLoad: AudienceLoad;
}

/** Everything that can be known to be wrong before anything is started. @throws UserError */
export async function chooseRehearsal(flags: CommandFlags, places: Places): Promise<RehearsalChoice> {
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
  if (flags.resume === true && (await attachWorld(places.world)) === null) {
    throw new UserError(
      'CROSSFADE_NOTHING_TO_RESUME',
      `the local cloud of ${earlier?.rollout ?? 'that rehearsal'} runs no more (Ctrl-C ends it), so there is nothing to go on with`,
      'start a new one: npm start',
    );
  }
  const resumed = flags.resume === true ? earlier?.scenario : undefined;
  if (resumed !== undefined && flags.scenario !== undefined && flags.scenario !== resumed) {
    throw new UserError(
      'CROSSFADE_SCENARIO_DIFFERS',
      `the interrupted rehearsal plays ${JSON.stringify(resumed)}`,
      'leave out --scenario, or leave out --resume to begin anew',
    );
  }
  const choice = {
    scenario: chosenScenario(resumed ?? flags.scenario ?? 'smooth'),
    port: chosenPort(flags.port),
    audienceLoad: chosenLoad(flags),
  };
  if (flags.report !== undefined) await demandFolderOf(flags.report);
  await configPath(flags.config ?? DEFAULT_CONFIG);
  // The running parts may lie on another disk than what is kept.
  for (const folder of foldersOf(places)) {
    await mkdir(folder, { recursive: true });
    await demandSpace(folder);
  }
  return choice;
}

const foldersOf = (places: Places): string[] => [places.root, dirname(places.world)];

/** @throws UserError when a rehearsal that runs has no room left. */
export async function demandRoomToGoOn(places: Places): Promise<void> {
  for (const folder of foldersOf(places)) await demandSpace(folder, LEAST_BYTES, EXIT.failed);
}

/** Looks again and again whether there is room left; `full` is told once, when there is not. */
export function watchRoom(places: Places, full: (error: unknown) => void): { stop(): void } {
  const timer = setInterval(() => {
    demandRoomToGoOn(places).catch((error: unknown) => {
      clearInterval(timer);
      full(error);
    });
  }, LOOK_EVERY_MS);
  return { stop: () => clearInterval(timer) };
}

function chosenScenario(name: string): Scenario {
  const scenario = scenarios.find((one) => one.name === name);
  if (scenario !== undefined) return scenario;
  throw new UserError(
    'CROSSFADE_SCENARIO_UNKNOWN',
    `there is no scenario ${JSON.stringify(name)}`,
    `there are: ${scenarios.map((one) => one.name).join(', ')}`,
  );
}

/** All scenarios, or those named, with commas in between. @throws UserError */
export function chosenScenarios(names: string | undefined): readonly Scenario[] {
  return names === undefined ? scenarios : names.split(',').map(chosenScenario);
}

/** @throws UserError */
export function chosenLoad({ rate, pieces, seed }: Pick<CommandFlags, 'rate' | 'pieces' | 'seed'>): AudienceLoad {
  const load = {
    ratePerSecond: rate === undefined ? USUAL_LOAD.ratePerSecond : Number(rate),
    pieces: pieces === undefined ? USUAL_LOAD.pieces : Number(pieces),
    seed: seed === undefined ? randomInt(MOST_SEED) : Number(seed),
  };
  if (!(load.ratePerSecond >= 1 && load.ratePerSecond <= 10_000)) {
    throw new UserError(
      'CROSSFADE_RATE_INVALID',
      `${JSON.stringify(rate)} is no rate`,
      'name a number of arrivals a second, from 1 to 10000',
    );
  }
  if (!(Number.isInteger(load.pieces) && load.pieces >= 1 && load.pieces <= 1000)) {
    throw new UserError(
      'CROSSFADE_PIECES_INVALID',
      `${JSON.stringify(pieces)} is no number of pieces`,
      'name a whole number, from 1 to 1000',
    );
  }
  if (!(Number.isInteger(load.seed) && load.seed >= 0 && load.seed <= MOST_SEED) || seed === '') {
    throw new UserError(
      'CROSSFADE_SEED_INVALID',
      `${JSON.stringify(seed)} is no seed`,
      `name a whole number, from 0 to ${MOST_SEED}`,
    );
  }
  return load;
}

/** @throws UserError */
export function chosenPort(text: string | undefined): RehearsalChoice['port'] {
  if (text === undefined) return { port: DEFAULT_PORT, fixed: false };
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return { port, fixed: true };
  throw new UserError('CROSSFADE_PORT_INVALID', `${JSON.stringify(text)} is no port`, 'name a number from 1 to 65535');
}

/** @throws UserError when a report cannot be written there */
export async function demandFolderOf(report: string): Promise<void> {
  const folder = dirname(resolve(report));
  await access(folder, constants.W_OK).catch(() => {
    throw new UserError(
      'CROSSFADE_REPORT_FOLDER',
      `the report cannot be written: there is no writable folder ${folder}`,
      'name another file with --report',
    );
  });
}

/** @throws UserError when less than `needed` bytes are free. */
export async function demandSpace(folder: string, needed = NEEDED_BYTES, exitCode: number = EXIT.usage): Promise<void> {
  const disk = await statfs(folder);
  const free = disk.bavail * disk.bsize;
  if (free >= needed) return;
  throw new UserError(
    'CROSSFADE_DISK_FULL',
    `${(free / 1e9).toFixed(1)} GB are free at ${folder}, a rehearsal needs ${needed / 1e9} GB`,
    'free some space, then run the command again',
    exitCode,
  );
}
