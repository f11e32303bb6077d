import { cpus, loadavg } from 'node:os';
import type { TransferSet } from './sets.ts';
import type { Run } from './subjects.ts';

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
}

export const loadBefore = (): number => Math.round((loadavg()[0] ?? 0) * 100) / 100;

export function makeReport(rows: readonly Row[], rounds: number, rclone: string, load: number): Report {
  const processors = cpus();
  const model = processors[0]?.model ?? 'unknown';
  return {
    at: new Date().toISOString(),
    machine: { cores: processors.length, model, node: process.version, rclone, loadBefore: load },
    rounds,
    met: rows.every((row) => wallRatio(row) <= row.set.goal && peak(row) < MOST_MIB),
    rows,
  };
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
const wallRatio = (row: Row): number => median(ratios(row, (run) => run.seconds));
const peak = (row: Row): number => Math.max(...row.crossfade.map((run) => run.peakMiB));

function spread(values: readonly number[], digits: number): string {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return `${median(values).toFixed(digits)} (${least.toFixed(digits)}–${most.toFixed(digits)})`;
}

function cells(row: Row): string[] {
  const both = (read: (run: Run) => number, digits: number): string =>
    `${median(row.crossfade.map(read)).toFixed(digits)} / ${median(row.rclone.map(read)).toFixed(digits)}`;
  const met = wallRatio(row) <= row.set.goal && peak(row) < MOST_MIB;
  return [
    row.servers,
    `${row.set.objects} × ${row.set.bytes / 1024} KiB`,
    both((run) => run.seconds, 2),
    spread(
      ratios(row, (run) => run.seconds),
      2,
    ),
    both((run) => run.cpuSeconds, 2),
    both((run) => run.peakMiB, 0),
    `≤ ${row.set.goal}, < ${MOST_MIB} MiB: ${met ? 'met' : 'NOT met'}`,
  ];
}

const HEADER = ['servers', 'set', 'wall s', 'wall ratio', 'CPU s', 'peak MiB', 'goal'];

/** The report for people, each pair as Crossfade / rclone: medians over the rounds, least–most in brackets. */
export function describe({ machine, rounds, rows }: Report): string {
  const lines = [HEADER, ...rows.map(cells)];
  const widths = HEADER.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [header = [], ...body] = lines;
  return [
    `${rounds} rounds; ${machine.cores} × ${machine.model}, Node ${machine.node}, ${machine.rclone}, load before ${machine.loadBefore}`,
    '',
    line(header),
    `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`,
    ...body.map(line),
  ].join('\n');
}
