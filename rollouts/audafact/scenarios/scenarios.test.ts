import { access } from 'node:fs/promises';
import { expect, it } from 'vitest';
import type { Scenario, Stage } from '@crossfade/crossfade/rehearsal/scenario';
import { scenarios } from './index.ts';

type Event = Parameters<NonNullable<Scenario['play']>>[0];

/** What a scenario does when one event after the other comes. */
async function actsOf(
  scenario: Scenario,
  events: readonly object[],
  written = { uploads: 563, overwrites: 113, deletes: 57 },
): Promise<string[]> {
  const acts: string[] = [];
  const act =
    (name: string) =>
    async (...args: readonly unknown[]): Promise<void> =>
      void acts.push([name, ...args.map((one) => JSON.stringify(one))].join(' '));
  const stage: Stage = {
    resolvers: ['127.0.0.11', '127.0.0.13'],
    plant: act('plant'),
    failReads: act('fail reads'),
    write: act('write'),
    written: async () => written,
    loseObjects: act('lose'),
    abort: act('abort'),
    enterSecondOperator: act('enter'),
    kill: act('kill'),
  };
  for (const event of events) await scenario.play?.(event as Event, stage);
  return acts;
}

const PHASES = ['staging', 'preparation', 'cutover.dns', 'cutover.verify', 'cutover.monitor', 'watch', 'cleanup'];
const STEPS = [
  'staging.worker',
  'worker.to50',
  'dns.switch',
  'watch.closePreviews',
  'cleanup.quarantine',
  'archive.write',
];
/** As much of a rollout's journal as any scenario waits for. */
const EVENTS = [
  ...PHASES.map((phase) => ({ kind: 'phase.started', phase, subject: null, data: {} })),
  ...STEPS.map((subject) => ({ kind: 'step.started', phase: null, subject, data: {} })),
  { kind: 'metrics.sampled', phase: null, subject: null, data: {} },
  { kind: 'check.verdict', phase: 'preparation', subject: 'production.copy', data: {} },
  { kind: 'transfer.progressed', phase: 'preparation', subject: 'copy', data: { objects: 0, totalObjects: 9 } },
  { kind: 'transfer.progressed', phase: 'preparation', subject: 'copy', data: { objects: 4, totalObjects: 9 } },
];

it.each([
  ['smooth', []],
  ['broken-worker', []],
  ['slow-worker', []],
  ['wrong-bytes', []],
  ['stale-dns', [/^plant .*"stale-dns".*"127\.0\.0\.13"/]],
  ['api-outage', [/^plant .*"api-outage"/]],
  ['late-uploads', [/^write .*"uploads":17/, /^fail reads 0\.2/]],
  ['no-data', [/^plant .*"no-analytics"/]],
  ['lost-objects', [/^lose 5/]],
  ['abort-midway', [/^abort/]],
  ['second-operator', [/^enter/]],
  ['crash', Array.from({ length: 9 }, () => /^kill/)],
])('%s does what it tells, and nothing twice', async (name, expected) => {
  const scenario = scenarios.find((one) => one.name === name);
  if (scenario === undefined) throw new Error(`there is no scenario ${name}`);
  const acts = await actsOf(scenario, EVENTS);
  expect(acts).toEqual(expected.map((pattern) => expect.stringMatching(pattern)));
  expect(new Set(acts).size).toBe(acts.length);
});

it.each(['uploads', 'overwrites', 'deletes'] as const)(
  'late-uploads waits until enough %s have succeeded',
  async (name) => {
    const scenario = scenarios.find((one) => one.name === 'late-uploads');
    if (scenario === undefined) throw new Error('there is no such scenario');
    const written = { uploads: 563, overwrites: 113, deletes: 57 };
    const acts = await actsOf(scenario, EVENTS, { ...written, [name]: written[name] - 1 });
    expect(acts).toEqual([expect.stringMatching(/^write/)]);
  },
);

it('every Worker of a scenario is a file that is there', async () => {
  const durations = { monitor: { plannedMs: 1, deadlineMs: 1 } };
  const config = { worker: { entry: '' }, durations } as Parameters<NonNullable<Scenario['change']>>[0];
  const entries = scenarios.map(({ change }) => change?.(config).worker.entry ?? '').filter((entry) => entry !== '');
  expect(entries).toHaveLength(3);
  for (const entry of entries) await expect(access(entry)).resolves.toBeUndefined();
});
