// `npm run soak`: the other scenarios once, then late-uploads with one seed after the other in one world, then one
// scenario more after the other until the audience has made so many requests. Not one may fail that no scenario planted,
// and each scenario must end as expected every time: none of them may lose an upload, an overwrite or a delete.
//
// What it costs on two slower cores, which it keeps at work all the while: the other eleven scenarios 21 minutes, the
// seeds 19 (a world for them one and a half, a seed 52 s). The eleven make about 229,000 requests, a seed 13,000. What is
// missing then a `smooth` more makes: 42 minutes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { scenarios } from '@crossfade/audafact/scenarios';
import { errorText } from '@crossfade/crossfade/rollout/error-text';
import * as v from 'valibot';
import { readOptions } from './read-options.ts';
import { playSeeds, seedLine } from './soak-seeds.ts';

const USAGE =
  'usage: npm run soak -- [--requests 500000] [--seeds 20] [--rate 32] [--pieces 19] [--scenario A,B] [--json FILE]';
const INTERRUPTED = 130;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** With every seed, uploaders write other files in another order. */
const SEEDED = 'late-uploads';
const row = v.looseObject({
  scenario: v.string(),
  requests: v.number(),
  failed: v.number(),
  unplanted: v.number(),
  differences: v.array(v.string()),
});
const round = v.looseObject({ seconds: v.number(), scenarios: v.array(row) });
type Row = v.InferOutput<typeof row>;

const values = readOptions(USAGE, {
  /** late-uploads is played with the seeds from 1 to this one; 0 leaves it to the rounds. */
  seeds: { type: 'string', default: '20' },
  requests: { type: 'string', default: '500000' },
  // A listener who plays on by one link costs less than one who comes anew: on two cores of the slower kind 60 arrivals
  // who read 8 pieces left production's response time outside its tolerance, and half as many who read on for twice as
  // long make as many requests with a third less work.
  rate: { type: 'string', default: '32' },
  pieces: { type: 'string', default: '19' },
  scenario: { type: 'string' },
  json: { type: 'string' },
});
const wanted = Number(values.requests);
const seeds = Number(values.seeds);
const load = { ratePerSecond: Number(values.rate), pieces: Number(values.pieces) };
/** Uploaders come beside the listeners there: with more pieces two slower cores fall behind, and it takes twice as long. */
const seedLoad = { ...load, pieces: Math.min(load.pieces, 14) };
const isWhole = (number: number, least: number): boolean => Number.isInteger(number) && number >= least;
if (!(wanted > 0 && isWhole(seeds, 0) && load.ratePerSecond >= 1 && isWhole(load.pieces, 1))) {
  process.stderr.write(
    `--requests is a number above 0, --seeds a whole number, --rate a number from 1, --pieces a whole number from 1\n${USAGE}\n`,
  );
  process.exit(2);
}

/** One round of `rehearse --all`: its document, or the exit code that it ended with instead. */
async function playRound(more: readonly string[]): Promise<v.InferOutput<typeof round> | number> {
  const args = ['rehearse', '--all', '--json', '--rate', values.rate, '--pieces', values.pieces, ...more];
  const child = spawn(process.execPath, ['packages/crossfade/src/cli/main.ts', ...args], {
    stdio: ['inherit', 'pipe', 'inherit'],
  });
  // It ends what it started before it ends itself.
  const passOn = (signal: NodeJS.Signals): boolean => child.kill(signal);
  for (const signal of SIGNALS) process.on(signal, passOn);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += String(chunk)));
  const [code] = (await once(child, 'close')) as [number | null];
  for (const signal of SIGNALS) process.off(signal, passOn);
  return output === '' ? (code ?? INTERRUPTED) : v.parse(round, JSON.parse(output));
}

const rows: Row[] = [];
let rounds = 0;
const sum = (read: (one: Row) => number): number => rows.reduce((total, one) => total + read(one), 0);
const start = performance.now();
const requests = (): number => sum((one) => one.requests);

/** `false` when something ended otherwise than it must: more of the same would not mend it. */
async function play(names: readonly string[]): Promise<boolean> {
  const played = await playRound(['--scenario', names.join(',')]);
  if (typeof played === 'number') process.exit(played);
  rows.push(...played.scenarios);
  process.stderr.write(`round ${++rounds}: ${requests()} of ${wanted} requests\n`);
  return played.scenarios.every((one) => one.differences.length === 0);
}

/** All seeds in one world; `false` as above. */
async function playAllSeeds(): Promise<boolean> {
  const scenario = scenarios.find(({ name }) => name === SEEDED);
  if (scenario === undefined) throw new Error(`there is no scenario ${SEEDED}`);
  const stop = new AbortController();
  const interrupt = (): void => stop.abort(new Error('interrupted'));
  for (const signal of SIGNALS) process.on(signal, interrupt);
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  try {
    for await (const one of playSeeds({ scenario, seeds: mostSeeds, load: seedLoad, say, signal: stop.signal })) {
      rows.push({ ...one, differences: [...one.differences] });
      say(`${seedLine(one)}; ${requests()} of ${wanted} requests`);
      for (const difference of one.differences) say(`✘ ${difference}`);
    }
  } catch (error) {
    say(errorText(error));
    process.exit(stop.signal.aborted ? INTERRUPTED : 1);
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupt);
  }
  return rows.every((one) => one.differences.length === 0);
}

const chosen = values.scenario?.split(',') ?? scenarios.map(({ name }) => name);
const mostSeeds = chosen.includes(SEEDED) ? seeds : 0;
const others = mostSeeds > 0 ? chosen.filter((name) => name !== SEEDED) : chosen;
let well = others.length === 0 || (await play(others));
if (well && mostSeeds > 0) well = await playAllSeeds();
// A few are missing then, if any: one scenario after the other instead of all.
for (let next = 0; well && requests() < wanted; next++) {
  const name = others[next % others.length];
  if (name === undefined) break;
  well = await play([name]);
}
const differences = rows.flatMap((one) => one.differences.map((text) => `${one.scenario}: ${text}`));
const result = {
  rounds,
  requests: requests(),
  failed: sum((one) => one.failed),
  unplanted: sum((one) => one.unplanted),
  seconds: Math.round((performance.now() - start) / 1000),
  rate: load.ratePerSecond,
  pieces: load.pieces,
  asExpected: differences.length === 0,
  differences,
  scenarios: rows,
};
process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
process.exitCode = result.asExpected && result.unplanted === 0 ? 0 : 1;
