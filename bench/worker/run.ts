/*
 * `node bench/worker/run.ts [--seconds 4] [--rounds 3] [--connections 16] [--json FILE]`: signed reads through the media
 * Worker beside a bare Worker on the same runtime, and nginx. The subjects take turns within each round, and each round
 * begins with another, so that a machine that warms up or slows down favours nobody.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { load, type LoadResult } from './load.ts';
import { bareWorker, mediaWorker, nginx, type Subject } from './subjects.ts';

const SIZES = [64 * 1024, 1024 * 1024];
const GOAL = 0.95;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '16' },
    json: { type: 'string' },
  },
});
const durationMs = Number(values.seconds) * 1000;
const connections = Number(values.connections);

const median = (numbers: readonly number[]): number => {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
};

interface Row {
  readonly subject: string;
  readonly bytes: number;
  readonly perSecond: number;
  readonly spread: readonly [least: number, most: number];
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Median of the rounds' own ratios to the bare Worker. */
  readonly ratio: number;
}

async function measureSize(subjects: readonly Subject[], bytes: number): Promise<Row[]> {
  const results = new Map<Subject, LoadResult[]>(subjects.map((subject) => [subject, []]));
  for (let round = 0; round < Number(values.rounds); round++) {
    const first = round % subjects.length;
    for (const subject of [...subjects.slice(first), ...subjects.slice(0, first)]) {
      const url = await subject.url(bytes);
      results.get(subject)?.push(await load({ url, bytes, connections, durationMs }));
    }
  }
  const [bare] = subjects;
  const base = bare === undefined ? [] : (results.get(bare) ?? []);
  return subjects.map((subject) => {
    const rounds = results.get(subject) ?? [];
    const rates = rounds.map((one) => one.perSecond);
    return {
      subject: subject.name,
      bytes,
      perSecond: median(rates),
      spread: [Math.min(...rates), Math.max(...rates)],
      p50Ms: median(rounds.map((one) => one.p50Ms)),
      p99Ms: median(rounds.map((one) => one.p99Ms)),
      ratio: median(rates.map((rate, index) => rate / (base[index]?.perSecond ?? Number.NaN))),
    };
  });
}

const peer = await nginx(SIZES);
if (peer === null) console.error('nginx is not installed: left out (apt-get install nginx-light)');
const subjects = [await bareWorker(SIZES), ...(await mediaWorker(SIZES)), ...(peer === null ? [] : [peer])];
try {
  const rows: Row[] = [];
  for (const bytes of SIZES) rows.push(...(await measureSize(subjects, bytes)));
  for (const row of rows) {
    const cells = [
      `${String(row.bytes / 1024).padStart(5)} KiB`,
      row.subject.padEnd(32),
      `${row.perSecond.toFixed(0).padStart(6)} req/s (${row.spread.map((rate) => rate.toFixed(0)).join('–')})`.padEnd(
        28,
      ),
      `p50 ${row.p50Ms.toFixed(1)} ms`.padEnd(14),
      `p99 ${row.p99Ms.toFixed(1)} ms`.padEnd(14),
      `${row.ratio.toFixed(2)} of the bare Worker`,
    ];
    console.log(cells.join('  '));
  }
  const ours = rows.filter((row) => row.subject.startsWith('media Worker'));
  const met = ours.filter((row) => row.ratio >= GOAL).length;
  console.log(`\ngoal: at least ${GOAL} of the bare Worker; met in ${met} of ${ours.length}`);
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify({ goal: GOAL, rows }, null, 2)}\n`);
} finally {
  for (const subject of subjects) await subject.close();
}
process.exit(0);
