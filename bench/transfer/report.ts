import { cpus, loadavg } from 'node:os';
import { describeAttempt, describeObjects, type PairRow } from './pairs.ts';
import { goalOf, type TransferSet } from './sets.ts';
import type { Attempt, Run } from './subjects.ts';

/** Peak memory of Crossfade, MiB, below which it must stay. */
export const MOST_MIB = 300;

export interface Row {
  /** Which two servers. */
  readonly servers: string;
  readonly set: TransferSet;
  /** One of each for a round. */
  readonly crossfade: readonly Run[];
  readonly rclone: readonly Run[];
}

export interface Report {
  /** ISO time of the end. */
  readonly at: string;
  readonly machine: {
    readonly cores: number;
    readonly model: string;
    readonly node: string;
    readonly rclone: string;
    /** Processes that wanted to run, averaged over the minute before the first round. */
    readonly loadBefore: number;
  };
  readonly rounds: number;
  readonly met: boolean;
  readonly rows: readonly Row[];
  readonly pairs: readonly JudgedPair[];
}

interface JudgedPair extends PairRow {
  /** Each round's time over that of rclone's best in it, the median; `null` where either failed. */
  readonly ratio: number | null;
  readonly met: boolean;
}

export const loadBefore = (): number => Math.round((loadavg()[0] ?? 0) * 100) / 100;

export function makeReport(
  measured: { readonly rows: readonly Row[]; readonly pairs: readonly PairRow[] },
  rounds: number,
  rclone: string,
  load: number,
): Report {
  const processors = cpus();
  const model = processors[0]?.model ?? 'unknown';
  const pairs = measured.pairs.map(judgePair);
  return {
    at: new Date().toISOString(),
    machine: { cores: processors.length, model, node: process.version, rclone, loadBefore: load },
    rounds,
    met: measured.rows.every(isMet) && pairs.every(({ met }) => met),
    rows: measured.rows,
    pairs,
  };
}

function judgePair(row: PairRow): JudgedPair {
  const ratios = row.crossfade.map((own, round) => {
    const best = bestOf(row, round);
    return own.ended === 'done' && best !== null ? own.seconds / best.attempt.seconds : null;
  });
  const counted = ratios.filter((ratio) => ratio !== null);
  const ratio = counted.length === ratios.length ? median(counted) : null;
  const met = ratio !== null && ratio <= row.pair.goal && peak(row) < MOST_MIB;
  return { ...row, ratio, met };
}

/** rclone's fastest that came to its end. */
function bestOf({ rclone }: PairRow, round: number): { transfers: number; attempt: Attempt } | null {
  const done = [...rclone].flatMap(([transfers, attempts]) => {
    const attempt = attempts[round];
    return attempt?.ended === 'done' ? [{ transfers, attempt }] : [];
  });
  return done.toSorted((a, b) => a.attempt.seconds - b.attempt.seconds)[0] ?? null;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** Each round's own ratio: what slowed one subject slowed the other, which ran next to it. */
const ratios = (row: Row, read: (run: Run) => number): number[] =>
  row.crossfade.map((run, round) => {
    const peer = row.rclone[round];
    return peer === undefined ? Number.NaN : read(run) / read(peer);
  });
const peak = ({ crossfade }: { readonly crossfade: readonly Run[] }): number =>
  Math.max(...crossfade.map((run) => run.peakMiB));

function isMet(row: Row): boolean {
  const goal = goalOf(row.servers, row.set);
  const within = (read: (run: Run) => number, most: number | null): boolean =>
    most === null || median(ratios(row, read)) <= most;
  return within((run) => run.seconds, goal.wall) && within((run) => run.cpuSeconds, goal.cpu) && peak(row) < MOST_MIB;
}

function spread(values: readonly number[], digits: number): string {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return `${median(values).toFixed(digits)} (${least.toFixed(digits)}–${most.toFixed(digits)})`;
}

function cells(row: Row): string[] {
  const both = (read: (run: Run) => number, digits: number): string =>
    `${median(row.crossfade.map(read)).toFixed(digits)} / ${median(row.rclone.map(read)).toFixed(digits)}`;
  const goal = goalOf(row.servers, row.set);
  const asked = [
    ...(goal.wall === null ? ['wall printed only'] : [`wall ≤ ${goal.wall}`]),
    ...(goal.cpu === null ? [] : [`CPU ≤ ${goal.cpu}`]),
    `< ${MOST_MIB} MiB`,
  ];
  return [
    row.servers,
    `${row.set.objects} × ${row.set.bytes / 1024} KiB`,
    both((run) => run.seconds, 2),
    spread(
      ratios(row, (run) => run.seconds),
      2,
    ),
    both((run) => run.cpuSeconds, 2),
    spread(
      ratios(row, (run) => run.cpuSeconds),
      2,
    ),
    both((run) => run.peakMiB, 0),
    `${asked.join(', ')}: ${isMet(row) ? 'met' : 'NOT met'}`,
  ];
}

const HEADER = ['servers', 'set', 'wall s', 'wall ratio', 'CPU s', 'CPU ratio', 'peak MiB', 'goal'];

function pairCells(judged: JudgedPair): string[] {
  const { pair, crossfade, rclone, ratio, met } = judged;
  // Of several rounds the middle one, whole, so that one that failed or was stopped says so.
  const middle = (attempts: readonly Attempt[]): string => {
    const sorted = attempts.toSorted((a, b) => a.seconds - b.seconds);
    const one = sorted.find(({ ended }) => ended === 'failed') ?? sorted[Math.floor(sorted.length / 2)];
    return one === undefined ? '' : describeAttempt(one).replaceAll(/\s+/g, ' ');
  };
  return [
    `${pair.name}: ${pair.does}`,
    describeObjects(pair),
    middle(crossfade),
    ...[...rclone.keys()].toSorted((a, b) => a - b).map((transfers) => middle(rclone.get(transfers) ?? [])),
    ratio === null ? 'none' : ratio.toFixed(2),
    peak(judged).toFixed(0),
    `≤ ${pair.goal}, < ${MOST_MIB} MiB: ${met ? 'met' : 'NOT met'}`,
  ];
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map((line) => line[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return ['', line(header), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)];
}

/** The report for people, each as Crossfade / rclone: medians over the rounds, least–most in brackets. */
export function describe({ machine, rounds, rows, pairs }: Report): string {
  const atOnce = [...(pairs[0]?.rclone.keys() ?? [])].toSorted((a, b) => a - b);
  const pairHeader = [
    'servers',
    'set',
    'Crossfade, no setting',
    ...atOnce.map((transfers) => `rclone --transfers ${transfers}`),
    'Crossfade / best rclone',
    'peak MiB',
    'goal',
  ];
  return [
    `${rounds} rounds; ${machine.cores} × ${machine.model}, Node ${machine.node}, ${machine.rclone}, load before ${machine.loadBefore}`,
    ...(rows.length === 0 ? [] : table(HEADER, rows.map(cells))),
    ...(pairs.length === 0 ? [] : table(pairHeader, pairs.map(pairCells))),
  ].join('\n');
}
