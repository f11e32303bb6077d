// Holds a rehearsal's report against what a rehearsal promises: node scripts/check-report.ts REPORT OUTCOME
// Every claim is looked up in the journal beside it, so that a report cannot praise itself.
import { readFile } from 'node:fs/promises';
import * as v from 'valibot';

const nothing = v.optional(v.unknown());
const reportSchema = v.looseObject({
  outcome: v.string(),
  staging: v.unknown(),
  preCutover: v.unknown(),
  legacy: v.unknown(),
  success: v.unknown(),
  definitionOfDone: v.unknown(),
  archive: v.object({ path: v.nullable(v.string()), files: v.number(), verified: v.boolean() }),
  traffic: v.looseObject({
    requests: v.number(),
    failed: v.number(),
    reasons: v.array(v.object({ reason: v.string(), count: v.number(), planted: v.boolean() })),
  }),
  transfer: v.looseObject({ objects: v.number(), verified: v.number(), mismatched: v.number() }),
  rollback: v.nullable(
    v.looseObject({
      detectedMs: v.number(),
      recoveredMs: v.nullable(v.number()),
      lostUploads: v.nullable(v.number()),
      lostDeletes: v.nullable(v.number()),
    }),
  ),
  reason: v.nullable(v.string()),
  evidence: v.record(v.string(), v.string()),
  reasons: v.record(v.string(), v.string()),
});
const eventSchema = v.looseObject({
  id: v.string(),
  kind: v.string(),
  subject: v.nullable(v.string()),
  data: v.looseObject({ verdict: v.optional(v.looseObject({ status: v.string(), measured: nothing })) }),
});
type Report = v.InferOutput<typeof reportSchema>;
type Event = v.InferOutput<typeof eventSchema>;

const [file, outcome] = process.argv.slice(2);
if (file === undefined || outcome === undefined) {
  process.stderr.write('usage: node scripts/check-report.ts REPORT completed|rolled-back|failed\n');
  process.exit(2);
}
const report = v.parse(reportSchema, JSON.parse(await read(file)));
const journal = (await read(file.replace(/(\.json)?$/, '.journal.jsonl')))
  .trimEnd()
  .split('\n')
  .map((line) => v.parse(eventSchema, JSON.parse(line)));

const checks: (readonly [string, boolean])[] = [
  [`the outcome is ${outcome}`, report.outcome === outcome],
  ...claims(report, new Map(journal.map((event) => [event.id, event]))),
  ...endedAs(report, journal),
];
for (const [title, holds] of checks) if (!holds) process.stderr.write(`✘ ${title}\n`);
const failed = checks.filter(([, holds]) => !holds).length;
process.stdout.write(`${file}: ${checks.length - failed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    process.stderr.write(`there is no file ${path}; a rehearsal writes it with --report\n`);
    process.exit(2);
  }
}

/** Each boolean: true with a measurement in the journal, or false with a reason. */
function claims(of: Report, events: ReadonlyMap<string, Event>): [string, boolean][] {
  const { staging, preCutover, legacy, success, definitionOfDone, archive } = of;
  const verified = { verified: archive.verified };
  const parts = { staging, preCutover, legacy, success, definitionOfDone, archive: verified };
  return Object.entries(parts).flatMap(([name, part]) =>
    booleans(part, name).map(([path, value]): [string, boolean] => {
      if (!value) return [`${path} is false and says why`, (of.reasons[path] ?? '') !== ''];
      const event = events.get(of.evidence[path] ?? '');
      return [`${path} is true and the journal shows the measurement`, event !== undefined && measures(event)];
    }),
  );
}

function measures({ kind, data }: Event): boolean {
  if (kind !== 'check.verdict') return kind === 'traffic.counted' || kind === 'transfer.finished';
  return data.verdict?.status === 'pass' && data.verdict.measured !== undefined && data.verdict.measured !== null;
}

function booleans(value: unknown, path: string): [string, boolean][] {
  if (typeof value === 'boolean') return [[path, value]];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, one]) => booleans(one, `${path}.${name}`));
}

function endedAs(of: Report, events: readonly Event[]): [string, boolean][] {
  if (of.outcome === 'completed') return completed(of);
  const { traffic } = of;
  const planted = traffic.reasons.reduce((sum, one) => sum + (one.planted ? one.count : 0), 0);
  return [
    ['the failing measure is named', of.reason !== null && of.reason !== ''],
    [`the audience made requests (${traffic.requests})`, traffic.requests > 0],
    [`none failed that no scenario planted (${traffic.failed - planted})`, traffic.failed === planted],
    ...(of.outcome === 'failed' ? refused(of) : rolledBack(of, events)),
  ];
}

/** Ended at a gate, before anything was moved. */
function refused({ rollback }: Report): [string, boolean][] {
  return [['nothing had to be rolled back', rollback === null]];
}

function completed({ traffic, transfer, archive, rollback }: Report): [string, boolean][] {
  return [
    [`at least 5,000 requests were made (${traffic.requests})`, traffic.requests >= 5000],
    [`none failed (${traffic.failed})`, traffic.failed === 0],
    [`at least 300 objects (${transfer.objects})`, transfer.objects >= 300],
    [`all of them verified (${transfer.verified})`, transfer.verified === transfer.objects],
    [`none differs (${transfer.mismatched})`, transfer.mismatched === 0],
    ['there is an archive', archive.path !== null && archive.verified],
    ['nothing was rolled back', rollback === null],
  ];
}

function rolledBack({ rollback, traffic }: Report, events: readonly Event[]): [string, boolean][] {
  const served = events.findLast(({ subject, kind }) => kind === 'check.verdict' && subject === 'rollback.served');
  return [
    ['detectedMs is measured', rollback !== null && rollback.detectedMs >= 0],
    [
      'recoveredMs is measured, where requests failed',
      traffic.failed === 0 || (rollback?.recoveredMs ?? null) !== null,
    ],
    ['no upload was lost', rollback?.lostUploads === 0],
    ['no delete was lost', rollback?.lostDeletes === 0],
    ['afterwards every listener was served', served?.data.verdict?.status === 'pass'],
  ];
}
