// From a planted fault to traffic recovered, over and over in one world. See README.md.
import { writeFile } from 'node:fs/promises';
import { USUAL_LOAD } from '@crossfade/crossfade/rehearsal/audience-steps';
import { errorText } from '@crossfade/crossfade/rollout/error-text';
import { figuresOf, missed, table } from './figures.ts';
import { runOnce, type RunResult, type Share } from './one-run.ts';
import { readOptions } from '../../scripts/read-options.ts';
import { openStand } from '../stand.ts';

const USAGE = 'usage: npm run bench:rollback -- [--runs 30] [--json FILE]';
const SHARES: readonly Share[] = [1, 0.2];
const MOST_RUNS = 1000;
const say = (line: string): void => void process.stderr.write(`${line}\n`);

function parseOptions(): { runs: number; json: string | null } {
  const values = readOptions(USAGE, { runs: { type: 'string', default: '30' }, json: { type: 'string' } });
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < SHARES.length || runs > MOST_RUNS)
    throw new Error(`--runs is a whole number, ${SHARES.length} to ${MOST_RUNS}`);
  return { runs, json: values.json ?? null };
}

/** The same audience in every run. */
const SEED = 1;

async function measure(runs: number, signal: AbortSignal): Promise<RunResult[]> {
  const stand = await openStand({ load: () => ({ ...USUAL_LOAD, seed: SEED }), say, signal });
  const results: RunResult[] = [];
  try {
    say('staging and preparation, once …');
    await stand.prepare();
    await stand.providers.audience?.start();
    for (let run = 0; run < runs; run++) {
      const share = SHARES[run % SHARES.length] ?? 1;
      const result = await runOnce(stand, stand.again, `bench-${run + 1}`, share);
      results.push(result);
      const { measure: why, plantedToDecidedMs, plantedToRecoveredMs, failed } = result;
      say(
        `${run + 1} of ${runs}, ${share * 100} %: ${why}; decided after ${plantedToDecidedMs} ms, last failure after ${plantedToRecoveredMs} ms, ${failed} requests failed`,
      );
    }
    return results;
  } finally {
    await stand.close();
  }
}

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => stop.abort(new Error('interrupted')));

function options(): { runs: number; json: string | null } {
  try {
    return parseOptions();
  } catch (error) {
    process.stderr.write(`${errorText(error)}\n${USAGE}\n`);
    process.exit(2);
  }
}

const { runs, json } = options();
try {
  const results = await measure(runs, stop.signal);
  const figures = SHARES.map((share) => figuresOf(share, results));
  const wrong = figures.flatMap(missed);
  process.stdout.write(`${table(figures)}\n`);
  for (const line of wrong) process.stdout.write(`✘ ${line}\n`);
  if (json !== null) await writeFile(json, `${JSON.stringify({ figures, missed: wrong, results }, null, 2)}\n`);
  process.exitCode = wrong.length === 0 ? 0 : 1;
} catch (error) {
  process.stderr.write(`${errorText(error)}\n`);
  process.exitCode = stop.signal.aborted ? 130 : 1;
}
process.exit();
