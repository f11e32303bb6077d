// `npm run soak`: all scenarios, round after round, until the audience has made so many requests. Not one may fail
// that no scenario planted, and each scenario must end as expected every time.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import * as v from 'valibot';

const USAGE = 'usage: npm run soak -- [--requests 500000] [--rate 60] [--pieces 8] [--scenario A,B] [--json FILE]';
const INTERRUPTED = 130;
const row = v.looseObject({
  scenario: v.string(),
  requests: v.number(),
  failed: v.number(),
  unplanted: v.number(),
  differences: v.array(v.string()),
});
const round = v.looseObject({ seconds: v.number(), scenarios: v.array(row) });
type Row = v.InferOutput<typeof row>;

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '500000' },
    // A listener who plays on by one link costs less than one who comes anew. Two cores are busy to 40 % while
    // production is watched at 60 arrivals and one piece (87 requests a second), to 55 % at 60 and 6 (250 a second).
    rate: { type: 'string', default: '60' },
    pieces: { type: 'string', default: '8' },
    scenario: { type: 'string' },
    json: { type: 'string' },
  },
});
const wanted = Number(values.requests);
if (!(wanted > 0)) {
  process.stderr.write(`--requests is a number above 0\n${USAGE}\n`);
  process.exit(2);
}

/** One round of `rehearse --all`: its document, or the exit code that it ended with instead. */
async function playRound(): Promise<v.InferOutput<typeof round> | number> {
  const chosen = values.scenario === undefined ? [] : ['--scenario', values.scenario];
  const args = ['rehearse', '--all', '--json', '--rate', values.rate, '--pieces', values.pieces, ...chosen];
  const child = spawn(process.execPath, ['packages/crossfade/src/cli/main.ts', ...args], {
    stdio: ['inherit', 'pipe', 'inherit'],
  });
  // It ends what it started before it ends itself.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += String(chunk)));
  const [code] = (await once(child, 'close')) as [number | null];
  return output === '' ? (code ?? INTERRUPTED) : v.parse(round, JSON.parse(output));
}

const rows: Row[] = [];
const sum = (read: (one: Row) => number): number => rows.reduce((total, one) => total + read(one), 0);
const start = performance.now();
let rounds = 0;
while (sum((one) => one.requests) < wanted) {
  const played = await playRound();
  if (typeof played === 'number') process.exit(played);
  rounds++;
  rows.push(...played.scenarios);
  // More of the same would not mend it.
  if (played.scenarios.some((one) => one.differences.length > 0)) break;
  process.stderr.write(`round ${rounds}: ${sum((one) => one.requests)} of ${wanted} requests\n`);
}
const differences = rows.flatMap((one) => one.differences.map((text) => `${one.scenario}: ${text}`));
const result = {
  rounds,
  requests: sum((one) => one.requests),
  failed: sum((one) => one.failed),
  unplanted: sum((one) => one.unplanted),
  seconds: Math.round((performance.now() - start) / 1000),
  rate: Number(values.rate),
  pieces: Number(values.pieces),
  asExpected: differences.length === 0,
  differences,
  scenarios: rows,
};
process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
process.exitCode = result.asExpected && result.unplanted === 0 ? 0 : 1;
