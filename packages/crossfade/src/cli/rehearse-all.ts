import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import * as v from 'valibot';
import { rehearsalPlaces } from '../rehearsal/places.ts';
import { judgeEnding, unplantedFailures } from '../rehearsal/judge-ending.ts';
import type { Scenario } from '../rehearsal/scenario.ts';
import { STAGE } from '../rehearsal/stage.ts';
import { EXIT } from './exit-codes.ts';
import type { CommandFlags } from './main.ts';
import { chosenLoad, chosenScenarios, demandFolderOf } from './rehearse-needs.ts';
import { journalBeside } from './report-files.ts';
import { printScenarioTable, type ScenarioRow } from './scenario-table.ts';
import { runCrossfade } from './supervise.ts';
import { UserError } from './user-error.ts';

const journalLine = v.looseObject({
  kind: v.string(),
  subject: v.nullable(v.string()),
  data: v.looseObject({ text: v.optional(v.string()) }),
});
const traffic = v.looseObject({
  requests: v.number(),
  failed: v.number(),
  seed: v.nullable(v.number()),
  reasons: v.array(v.object({ reason: v.string(), count: v.number(), planted: v.boolean() })),
});
const reported = v.looseObject({
  outcome: v.picklist(['completed', 'rolled-back', 'failed']),
  reason: v.nullable(v.string()),
  traffic,
  rollback: v.nullable(
    v.looseObject({
      detectedMs: v.number(),
      recoveredMs: v.nullable(v.number()),
      lostUploads: v.nullable(v.number()),
      lostDeletes: v.nullable(v.number()),
      sinceSwitch: v.nullable(v.looseObject({ uploads: v.number(), overwrites: v.number(), deletes: v.number() })),
    }),
  ),
});

/** What `rehearse --all` came to. */
export interface AllRehearsed {
  readonly asExpected: boolean;
  readonly requests: number;
  readonly failed: number;
  readonly unplanted: number;
  readonly seconds: number;
  readonly scenarios: readonly ScenarioRow[];
}

/** `crossfade rehearse --all`: each scenario after the other, each in a process of its own, and a table of them. */
export async function rehearseAll(flags: CommandFlags): Promise<number> {
  const scenarios = chosenScenarios(flags.scenario);
  chosenLoad(flags);
  if (flags.report !== undefined) await demandFolderOf(flags.report);
  if (flags.resume === true) {
    throw new UserError(
      'CROSSFADE_NOTHING_TO_RESUME',
      '--all plays each scenario from its beginning',
      'leave out --resume, or name the one scenario that was interrupted',
    );
  }
  const { archives } = await rehearsalPlaces(process.cwd());
  const start = performance.now();
  const rows: ScenarioRow[] = [];
  for (const scenario of scenarios) {
    process.stderr.write(`\n── ${rows.length + 1} of ${scenarios.length}: ${scenario.name}\n`);
    const row = await playOne(scenario, flags, join(archives, 'scenarios', `${scenario.name}.report.json`));
    if (typeof row === 'number') return row;
    rows.push(row);
  }
  const sum = (read: (row: ScenarioRow) => number): number => rows.reduce((total, row) => total + read(row), 0);
  const all: AllRehearsed = {
    asExpected: rows.every((row) => row.differences.length === 0),
    requests: sum((row) => row.requests),
    failed: sum((row) => row.failed),
    unplanted: sum((row) => row.unplanted),
    seconds: Math.round((performance.now() - start) / 1000),
    scenarios: rows,
  };
  printScenarioTable(process.stderr, all);
  if (flags.report !== undefined) await writeFile(resolve(flags.report), `${JSON.stringify(all, null, 2)}\n`);
  if (flags.json === true) process.stdout.write(`${JSON.stringify(all)}\n`);
  return all.asExpected ? EXIT.done : EXIT.failed;
}

/** One scenario to its end; an exit code where it could not be played: interrupted, or something is wrong here. */
async function playOne(scenario: Scenario, flags: CommandFlags, report: string): Promise<ScenarioRow | number> {
  await mkdir(dirname(report), { recursive: true });
  // What an earlier run left would be taken for this one's.
  await rm(report, { force: true });
  const start = performance.now();
  const { exitCode } = await runCrossfade(
    [
      'rehearse',
      '--exit',
      '--scenario',
      scenario.name,
      '--report',
      report,
      ...(flags.config === undefined ? [] : ['--config', flags.config]),
      ...(flags.rate === undefined ? [] : ['--rate', flags.rate]),
      ...(flags.pieces === undefined ? [] : ['--pieces', flags.pieces]),
      ...(flags.seed === undefined ? [] : ['--seed', flags.seed]),
      ...(flags.port === undefined ? [] : ['--port', flags.port]),
    ],
    'stderr',
  );
  const seconds = Math.round((performance.now() - start) / 1000);
  if (exitCode === EXIT.interrupted || exitCode === EXIT.usage) return exitCode;
  const { name: scenarioName, expected } = scenario;
  const base = { scenario: scenarioName, expected: expected.outcome, exitCode, seconds };
  const told = await readTold(report);
  if (told === null) {
    const unmeasured = { detectedMs: null, recoveredMs: null, lostUploads: null, lostDeletes: null, seed: null };
    const nothing = { requests: 0, failed: 0, unplanted: 0, ...unmeasured };
    return { ...base, ...nothing, outcome: 'no report', reason: null, differences: ['it ended without a report'] };
  }
  const { outcome, reason, traffic: counted, rollback } = told.report;
  return {
    ...base,
    outcome,
    reason,
    requests: counted.requests,
    failed: counted.failed,
    unplanted: unplantedFailures(counted),
    detectedMs: rollback?.detectedMs ?? null,
    recoveredMs: rollback?.recoveredMs ?? null,
    lostUploads: rollback?.lostUploads ?? null,
    lostDeletes: rollback?.lostDeletes ?? null,
    seed: counted.seed,
    differences: judgeEnding(scenario, { ...told.report, notes: told.notes }, exitCode),
  };
}

/** What a rehearsal left on disk: its report, and the stage's notes from the journal beside it. */
async function readTold(file: string): Promise<{ report: v.InferOutput<typeof reported>; notes: string[] } | null> {
  const text = await readFile(file, 'utf8').catch(() => null);
  if (text === null) return null;
  const journal = await readFile(journalBeside(file), 'utf8');
  const events = journal
    .trimEnd()
    .split('\n')
    .map((line) => v.parse(journalLine, JSON.parse(line)));
  return {
    report: v.parse(reported, JSON.parse(text)),
    notes: events.flatMap(({ kind, subject, data }) => (kind === 'note' && subject === STAGE ? [data.text ?? ''] : [])),
  };
}
