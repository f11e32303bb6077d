import { keyFilter } from '../transfer/key-filter.ts';
import type { Concurrency } from '../transfer/pace.ts';
import { runWorker } from '../transfer/shared/worker.ts';
import { readEnvironment } from './environment-file.ts';
import { EXIT } from './exit-codes.ts';
import { interruption } from './interruption.ts';
import { DEFAULT_CONFIG, loadConfig } from './load-config.ts';
import type { CommandFlags } from './main.ts';
import { openRolloutDatabase } from './rollout-database.ts';
import { openSharedStore } from './open-shared-store.ts';
import { amountText, workerLine } from './shared-progress-text.ts';
import { UserError } from './user-error.ts';

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
    else process.stderr.write(`${result.id}: ${result.partitions} partitions, ${amountText(result)}\n`);
    return signal.aborted ? EXIT.interrupted : EXIT.done;
  } finally {
    await database.close();
  }
}

/** @throws UserError */
function readConcurrency(text: string | undefined): Concurrency | null {
  if (text === undefined) return null;
  if (text === 'auto') return text;
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  throw new UserError(
    'CROSSFADE_CONCURRENCY_INVALID',
    `--concurrency expects auto or a whole number of at least 1, found ${JSON.stringify(text)}`,
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
