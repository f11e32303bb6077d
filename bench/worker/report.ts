import { cpus, loadavg } from 'node:os';
import type { Plan, Row, Spread } from './rounds.ts';

/** Requests/second of the media Worker over those of the bare one, at least. */
const GOAL = 0.95;

export interface Report {
  /** ISO time of the end. */
  readonly at: string;
  readonly machine: {
    readonly cores: number;
    readonly model: string;
    readonly node: string;
    /** Processes that wanted to run, averaged over the minute before the first round. */
    readonly loadBefore: number;
  };
  readonly plan: Plan;
  readonly goal: { readonly ratio: number; readonly met: boolean };
  readonly rows: readonly Row[];
}

export const loadBefore = (): number => loadavg()[0] ?? 0;

export function makeReport(plan: Plan, rows: readonly Row[], loadBefore: number): Report {
  const processors = cpus();
  return {
    at: new Date().toISOString(),
    machine: {
      cores: processors.length,
      model: processors[0]?.model ?? 'unknown',
      node: process.version,
      loadBefore: Math.round(loadBefore * 100) / 100,
    },
    plan,
    goal: { ratio: GOAL, met: rows.filter((row) => row.judged).every(meetsGoal) },
    rows,
  };
}

const meetsGoal = (row: Row): boolean => row.ratio.median >= GOAL;

const withSpread = ({ median, least, most }: Spread, digits: number): string =>
  `${median.toFixed(digits)} (${least.toFixed(digits)}–${most.toFixed(digits)})`;

const HEADER = ['size', 'subject', 'req/s', 'p50 ms', 'p99 ms', 'ratio to bare', 'goal'];

function cells(row: Row): string[] {
  return [
    `${row.bytes / 1024} KiB`,
    row.servedFrom === null ? row.subject : `${row.subject} (${row.servedFrom})`,
    withSpread(row.requestsPerSecond, 0),
    withSpread(row.p50Ms, 1),
    withSpread(row.p99Ms, 1),
    withSpread(row.ratio, 2),
    row.judged ? (meetsGoal(row) ? 'met' : 'not met') : '',
  ];
}

/** A Markdown table, which is also readable as it stands. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = HEADER.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [header = [], ...body] = rows;
  return [line(header), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...body.map(line)].join('\n');
}

/** The report for people: median over the rounds, least–most in brackets. */
export function describe({ machine, plan, rows }: Report): string {
  const judged = rows.filter((row) => row.judged);
  const met = judged.filter(meetsGoal).length;
  return [
    `${plan.rounds} rounds of ${plan.durationMs / 1000} s, ${plan.connections} connections; ${machine.cores} × ${machine.model}, Node ${machine.node}, load before ${machine.loadBefore}`,
    '',
    table([HEADER, ...rows.map(cells)]),
    '',
    `goal: >= ${GOAL} of the bare Worker's requests/second; ${met === judged.length ? 'met' : 'NOT met'}: ${met} of ${judged.length}`,
  ].join('\n');
}
