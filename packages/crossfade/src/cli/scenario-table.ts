import pc from 'picocolors';
import type { AllRehearsed } from './rehearse-all.ts';

/** One scenario's line of the table. Times in ms but for `seconds`; `null` where nothing was rolled back or measured. */
export interface ScenarioRow {
  readonly scenario: string;
  readonly expected: string;
  readonly outcome: string;
  readonly reason: string | null;
  readonly exitCode: number;
  readonly requests: number;
  readonly failed: number;
  /** Failed requests that no scenario planted. */
  readonly unplanted: number;
  readonly detectedMs: number | null;
  readonly recoveredMs: number | null;
  readonly lostUploads: number | null;
  readonly lostDeletes: number | null;
  /** From which the audience's choices followed: with `--seed` it chooses alike again. */
  readonly seed: number | null;
  readonly seconds: number;
  /** In which ways it ended otherwise than it must. */
  readonly differences: readonly string[];
}

const HEAD = [
  'scenario',
  'expected',
  'outcome',
  'exit',
  'requests',
  'failed',
  'not planted',
  'detected',
  'recovered',
  'lost uploads',
  'lost deletes',
  'seconds',
];
const LEFT = 3;

const inSeconds = (ms: number | null): string => (ms === null ? '–' : `${(ms / 1000).toFixed(1)} s`);

/** The table as plain lines, columns aligned: words to the left, numbers to the right. */
export function scenarioLines(rows: readonly ScenarioRow[]): string[] {
  const cells = [
    HEAD,
    ...rows.map((row) => [
      row.scenario,
      row.expected,
      row.outcome,
      String(row.exitCode),
      String(row.requests),
      String(row.failed),
      String(row.unplanted),
      inSeconds(row.detectedMs),
      inSeconds(row.recoveredMs),
      row.lostUploads === null ? '–' : String(row.lostUploads),
      row.lostDeletes === null ? '–' : String(row.lostDeletes),
      String(row.seconds),
    ]),
  ];
  const widths = HEAD.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells.map((row) =>
    row
      .map((cell, column) => (column < LEFT ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

/** The table of `rehearse --all`, with what differed below it. */
export function printScenarioTable(output: NodeJS.WriteStream, all: AllRehearsed): void {
  const [head = '', ...lines] = scenarioLines(all.scenarios);
  output.write(`\n    ${pc.bold(head)}\n`);
  all.scenarios.forEach(({ differences }, index) => {
    const mark = differences.length === 0 ? pc.green('✔') : pc.red('✘');
    output.write(`  ${mark} ${lines[index] ?? ''}\n`);
    for (const difference of differences) output.write(`      ${pc.red(difference)}\n`);
  });
  output.write(
    `\n  ${all.scenarios.length} scenarios, ${all.requests} requests, ${all.failed} failed, ${all.unplanted} of them not planted; ${all.seconds} s\n\n`,
  );
}
