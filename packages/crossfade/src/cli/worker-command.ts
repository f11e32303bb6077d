import { keyFilter } from '../transfer/key-filter.ts';
import type { SharedProgress } from '../transfer/shared/shared-progress.ts';
import { runWorker } from '../transfer/shared/worker.ts';
import { readEnvironment } from './environment-file.ts';
import { EXIT } from './exit-codes.ts';
import { interruption } from './interruption.ts';
import { DEFAULT_CONFIG, loadConfig } from './load-config.ts';
import type { CommandFlags } from './main.ts';
import { openRolloutDatabase } from './rollout-database.ts';
import { openSharedStore } from './open-shared-store.ts';
import { UserError } from './user-error.ts';

const MIB = 1024 * 1024;

/**
 * `crossfade worker`: takes partitions of the transfers that somebody began with `crossfade copy --shared` on the same
 * database, with this machine's own config. Goes on until Ctrl-C (130), or with `--once` until nothing is left.
 */
export async function workerCommand(flags: CommandFlags): Promise<number> {
  const signal = interruption();
  const env = await readEnvironment(flags.env);
  const config = await loadConfig(flags.config ?? DEFAULT_CONFIG, env);
  const concurrency = readConcurrency(flags.concurrency) ?? config.transfer.concurrency;
  const database = await openRolloutDatabase(env);
  const say = createWorkerLines();
  try {
    const result = await runWorker({
      databaseUrl: database.url,
      openStore: (location, use) => openSharedStore(flags, location, use, concurrency),
      filter: ({ include, exclude }) => keyFilter(include, exclude) ?? undefined,
      concurrency,
      once: flags.once === true,
      onProgress: (id, progress) => say(workerLine(id, progress)),
      onTrouble: (text) => say(`waiting: ${text}`),
      signal,
    });
    if (flags.json === true) process.stdout.write(`${JSON.stringify({ ...result, next: ['crossfade worker'] })}\n`);
    else process.stderr.write(`${result.id}: ${result.partitions} partitions, ${amount(result)}\n`);
    return signal.aborted ? EXIT.interrupted : EXIT.done;
  } finally {
    await database.close();
  }
}

/** @throws UserError */
function readConcurrency(text: string | undefined): number | null {
  if (text === undefined) return null;
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  throw new UserError(
    'CROSSFADE_CONCURRENCY_INVALID',
    `--concurrency expects a whole number of at least 1, found ${JSON.stringify(text)}`,
    'crossfade worker --concurrency 16',
  );
}

/** One line, the same again only once: a log need not say a hundred times that nothing is to do. */
function createWorkerLines(): (line: string) => void {
  let last = '';
  return (line) => {
    if (line !== last) process.stderr.write(`${line}\n`);
    last = line;
  };
}

/** What a worker says of itself and of all: `w1: 12/s 3.1 MiB/s; with 3 others 40/s 11.0 MiB/s; 7 of 64 partitions`. */
export function workerLine(id: string, progress: SharedProgress): string {
  const { workers, partitions, done, failed } = progress;
  if (partitions === 0) return `${id}: nothing to do; begin a transfer: crossfade copy FROM TO --shared`;
  const mine = workers.find((one) => one.id === id);
  const others = workers.length - (mine === undefined ? 0 : 1);
  const whole = others === 0 ? '' : `; with ${others} other${others === 1 ? '' : 's'} ${rateOf(workers)}`;
  const lost = failed === 0 ? '' : `, ${failed} failed`;
  return `${id}: ${rateOf(mine === undefined ? [] : [mine])}${whole}; ${done} of ${partitions} partitions${lost}, ${amount(progress)}`;
}

function rateOf(workers: SharedProgress['workers']): string {
  const objects = workers.reduce((sum, one) => sum + one.objectsPerSecond, 0);
  const bytes = workers.reduce((sum, one) => sum + one.bytesPerSecond, 0);
  return `${objects.toFixed(0)}/s ${(bytes / MIB).toFixed(1)} MiB/s`;
}

function amount({ objects, bytes }: { readonly objects: number; readonly bytes: number }): string {
  return `${objects} objects, ${(bytes / MIB).toFixed(1)} MiB`;
}
