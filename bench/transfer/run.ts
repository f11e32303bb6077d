// Crossfade's copy and proof beside rclone's copy, on the same two servers. See README.md.
import { writeFile } from 'node:fs/promises';
import { readOptions } from '../../scripts/read-options.ts';
import { measureManyKeys } from './many-keys.ts';
import { measurePair, PAIRS, type PairRow, type ServerPair } from './pairs.ts';
import { describe, loadBefore, makeReport, type Row } from './report.ts';
import { startFastPair, startLocalCloudPair, type Pair } from './servers.ts';
import { SETS, type TransferSet } from './sets.ts';
import { crossfade, rclone, rcloneVersion, type Run } from './subjects.ts';

const USAGE =
  'usage: npm run bench:transfer -- [--sets small,medium,large] [--servers fast,local-cloud] [--pairs latency,random,throttled,throttled-told] [--rounds 3] [--json FILE] | --keys 1000000';
const SERVERS: Readonly<Record<string, (set: TransferSet) => Promise<Pair>>> = {
  fast: startFastPair,
  'local-cloud': startLocalCloudPair,
};

interface Options {
  readonly sets: readonly TransferSet[];
  readonly servers: readonly string[];
  readonly pairs: readonly ServerPair[];
  readonly rounds: number;
  /** File for the report; `null` for none. */
  readonly json: string | null;
  /** Keys of a listing to be simulated instead; `null` for the copies. */
  readonly keys: number | null;
}

/** @throws Error when an option makes no sense */
function parseOptions(): Options {
  const values = readOptions(USAGE, {
    sets: { type: 'string' },
    servers: { type: 'string' },
    pairs: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'string' },
    keys: { type: 'string' },
  });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) throw new Error('--rounds is a whole number, 1 to 100');
  const keys = values.keys === undefined ? null : Number(values.keys);
  if (keys !== null && (!Number.isInteger(keys) || keys < 1)) throw new Error('--keys is a whole number from 1 on');
  // Who names sets or servers wants these, who names pairs those; who names nothing wants all.
  const wantsSets = values.sets !== undefined || values.servers !== undefined || values.pairs === undefined;
  const wantsPairs = values.pairs !== undefined || (values.sets === undefined && values.servers === undefined);
  const servers = chosen('--servers', values.servers, Object.keys(SERVERS), (name) => name);
  return {
    sets: wantsSets ? chosen('--sets', values.sets, SETS, ({ name }) => name) : [],
    servers,
    pairs: wantsPairs ? chosen('--pairs', values.pairs, PAIRS, ({ name }) => name) : [],
    rounds,
    json: values.json ?? null,
    keys,
  };
}

/** Those that a list names; all when there is none. */
function chosen<Thing>(
  option: string,
  list: string | undefined,
  things: readonly Thing[],
  nameOf: (thing: Thing) => string,
): readonly Thing[] {
  if (list === undefined) return things;
  return list.split(',').map((name) => {
    const found = things.find((thing) => nameOf(thing) === name);
    if (found === undefined) throw new Error(`${option} knows ${things.map(nameOf).join(', ')}; not "${name}"`);
    return found;
  });
}

async function measure(servers: string, set: TransferSet, rounds: number): Promise<Row> {
  const start = SERVERS[servers];
  if (start === undefined) throw new Error(`there are no servers named ${servers}`);
  console.error(`${servers}, ${set.name}: ${set.objects} × ${set.bytes} bytes …`);
  const pair = await start(set);
  const runs: { crossfade: Run[]; rclone: Run[] } = { crossfade: [], rclone: [] };
  try {
    for (let round = 0; round < rounds; round++) {
      // Each round begins with the other one.
      for (const subject of round % 2 === 0 ? [rclone, crossfade] : [crossfade, rclone]) {
        const run = await subject.run(pair.from, await pair.freshTarget());
        runs[subject.name].push(run);
        console.error(`  ${subject.name}: ${run.seconds.toFixed(2)} s, CPU ${run.cpuSeconds.toFixed(2)} s`);
      }
    }
  } finally {
    await pair.close();
  }
  return { servers, set, ...runs };
}

function fail(error: unknown, exitCode: number): void {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = exitCode;
}

async function main(): Promise<void> {
  let options: Options;
  try {
    options = parseOptions();
  } catch (error) {
    return fail(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`, 2);
  }
  const { sets, servers, pairs, rounds, json, keys } = options;
  try {
    if (keys !== null) return console.log(await measureManyKeys(keys));
    const version = rcloneVersion();
    const load = loadBefore();
    const rows: Row[] = [];
    for (const name of servers) for (const set of sets) rows.push(await measure(name, set, rounds));
    const paired: PairRow[] = [];
    for (const pair of pairs) paired.push(await measurePair(pair, rounds));
    const report = makeReport({ rows, pairs: paired }, rounds, version, load);
    console.log(describe(report));
    const plain = (_: string, value: unknown): unknown => (value instanceof Map ? Object.fromEntries(value) : value);
    if (json !== null) await writeFile(json, `${JSON.stringify(report, plain, 2)}\n`);
  } catch (error) {
    fail(error, 1);
  }
}

await main();
