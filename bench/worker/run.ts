// Signed reads through the media Worker beside a bare Worker on the same runtime, and nginx. See README.md.
import { randomFillSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { readOptions } from '../../scripts/read-options.ts';
import { startNginx } from './nginx.ts';
import { describe, loadBefore, makeReport, type Report } from './report.ts';
import { runRounds, type Plan } from './rounds.ts';
import { startBareWorker, startMediaWorker, type Server } from './subjects.ts';

const USAGE = 'usage: npm run bench:worker -- [--seconds 5] [--rounds 3] [--connections 16] [--json FILE]';
const SIZES = [64 * 1024, 1024 * 1024];
const objects = new Map(SIZES.map((bytes) => [bytes, randomFillSync(new Uint8Array(bytes))]));
const stop = new AbortController();

interface Options {
  readonly plan: Plan;
  /** File for the report; `null` for none. */
  readonly json: string | null;
}

/** @throws Error when an option is no number that makes sense */
function parseOptions(): Options {
  const values = readOptions(USAGE, {
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '16' },
    json: { type: 'string' },
  });
  const seconds = Number(values.seconds);
  const [rounds, connections] = [Number(values.rounds), Number(values.connections)];
  if (!(seconds > 0 && seconds <= 600)) throw new Error('--seconds is a number above 0, at most 600');
  for (const [name, count] of Object.entries({ rounds, connections }))
    if (!Number.isInteger(count) || count < 1 || count > 1000)
      throw new Error(`--${name} is a whole number, 1 to 1000`);
  return { plan: { durationMs: seconds * 1000, rounds, connections }, json: values.json ?? null };
}

/** From here on Ctrl-C ends the bench in order: Miniflare's own handlers would leave Postgres and nginx behind. */
function closeOnSignal(): void {
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.removeAllListeners(name);
    process.once(name, () => stop.abort(new Error(`ended by ${name}`)));
  }
}

async function bench(plan: Plan): Promise<Report> {
  const load = loadBefore();
  const servers: Server[] = [];
  try {
    servers.push(await startBareWorker(objects));
    servers.push(await startMediaWorker(objects));
    const nginx = await startNginx(objects);
    if (nginx === null) console.error('nginx is not installed and left out: apt-get install nginx-light');
    else servers.push(nginx);
    closeOnSignal();
    const subjects = servers.flatMap((server) => server.subjects);
    return makeReport(plan, await runRounds(subjects, objects, plan, stop.signal), load);
  } finally {
    for (const server of servers.toReversed()) await server.close();
  }
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
  try {
    const report = await bench(options.plan);
    console.log(describe(report));
    if (options.json !== null) await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
  } catch (error) {
    if (stop.signal.aborted) fail(stop.signal.reason, 130);
    else fail(error, 1);
  }
}

await main();
