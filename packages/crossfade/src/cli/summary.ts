import pc from 'picocolors';
import type { RolloutReport } from '../rollout/report-shapes.ts';
import type { Scenario } from '../rehearsal/scenario.ts';

function count(claims: object): { proven: number; all: number } {
  const values = Object.values(claims).flatMap((value): boolean[] =>
    typeof value === 'boolean' ? [value] : Object.values(value as Record<string, boolean>),
  );
  return { proven: values.filter(Boolean).length, all: values.length };
}

function secondsOf({ startedAt, endedAt }: RolloutReport['phases'][number]): number | null {
  return startedAt === null || endedAt === null ? null : (Date.parse(endedAt) - Date.parse(startedAt)) / 1000;
}

function atStake(since: NonNullable<RolloutReport['rollback']>['sinceSwitch']): string {
  if (since === null) return '';
  return ` of ${since.uploads} uploads, ${since.overwrites} overwrites and ${since.deletes} deletes since the switch`;
}

/** The rollout in ten seconds: what came out, how available it was, how long it took, what was proven, where it lies. `run` is `null` when it is looked at later. */
export function printSummary(
  output: NodeJS.WriteStream,
  report: RolloutReport,
  run: { readonly reportFile: string; readonly scenario: Scenario } | null,
): void {
  const { traffic, transfer, cutover, rollback } = report;
  const outcome = {
    completed: pc.green('✔ completed'),
    'rolled-back': pc.yellow('↺ rolled back'),
    failed: pc.red('✘ failed'),
  }[report.outcome];
  const expected =
    run === null || report.outcome === run.scenario.expected.outcome
      ? ''
      : pc.red(` (expected: ${run.scenario.expected.outcome})`);
  const availability =
    traffic.requests === 0 ? 'nobody counted' : `${(100 * (1 - traffic.failed / traffic.requests)).toFixed(3)} %`;
  const seconds = (value: number | null): string => (value === null ? 'not run' : `${value.toFixed(1)} s`);
  const parts = [
    ['staging', count(report.staging)],
    ['before the cutover', count(report.preCutover)],
    ['success', count(report.success)],
    ['definition of done', count(report.definitionOfDone)],
  ] as const;
  const lines = [
    ['Outcome', `${outcome}${expected}${report.reason === null ? '' : ` · ${report.reason}`}`],
    [
      'Availability',
      `${availability} of ${traffic.requests} requests, ${traffic.failed} failed, longest gap ${Math.round(traffic.longestGapMs)} ms, p99 ${Math.round(traffic.p99Ms)} ms${traffic.seed === null ? '' : `, seed ${traffic.seed}`}`,
    ],
    ['Phases', report.phases.map((phase) => `${phase.id} ${seconds(secondsOf(phase))}`).join(', ')],
    [
      'Cutover',
      `Worker ${seconds(cutover.phase1.seconds)}, DNS ${seconds(cutover.phase2.seconds)}, verify ${seconds(cutover.phase3.seconds)}, monitor ${seconds(cutover.phase4.seconds)}`,
    ],
    ...(rollback === null
      ? []
      : [
          [
            'Rollback',
            `${rollback.kind}: noticed after ${rollback.detectedMs} ms, served again after ${rollback.recoveredMs ?? '?'} ms, ${rollback.lostUploads ?? '?'} uploads and ${rollback.lostDeletes ?? '?'} deletes lost${atStake(rollback.sinceSwitch)}`,
          ],
        ]),
    [
      'Transfer',
      `${transfer.verified} of ${transfer.objects} objects verified, ${transfer.mismatched} differ, ${(transfer.bytes / 1e6).toFixed(0)} MB`,
    ],
    ['Proven', parts.map(([name, { proven, all }]) => `${name} ${proven}/${all}`).join(', ')],
    ...(run === null ? [] : [['Report', run.reportFile]]),
    [
      'Archive',
      report.archive.path === null
        ? 'none'
        : `${report.archive.path} (${report.archive.files} files, ${report.archive.verified ? 'verified' : 'not verified'})`,
    ],
  ];
  output.write(`\n${lines.map(([name = '', text = '']) => `  ${pc.bold(name.padEnd(13))} ${text}`).join('\n')}\n\n`);
}
