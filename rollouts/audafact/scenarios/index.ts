import type { Scenario } from '@crossfade/crossfade/rehearsal/scenario';
import { killAtEach, killed } from './crash.ts';
import { lateUploads } from './late-uploads.ts';

const completed = { outcome: 'completed', exitCode: 0, audienceFails: false } as const;
const rolledBack = { outcome: 'rolled-back', exitCode: 3 } as const;

/** Another Worker is rolled out. */
const withWorker =
  (file: string): NonNullable<Scenario['change']> =>
  (config) => ({ ...config, worker: { ...config.worker, entry: `rollouts/audafact/scenarios/${file}` } });

/** Longer than any rehearsal watches, s. */
const FOR_GOOD = 600;
const OPERATOR = 'Mallory';

export const scenarios: readonly Scenario[] = [
  {
    name: 'smooth',
    summary: 'nothing goes wrong',
    expected: { ...completed, staged: [] },
  },
  {
    name: 'broken-worker',
    summary: "the new Worker fails one in five signed requests once it has production's traffic",
    expected: { ...rolledBack, reason: /error rate|5xx|HTTP 5/, staged: [], audienceFails: true },
    change: withWorker('broken-worker.ts'),
  },
  {
    name: 'slow-worker',
    summary: "the new Worker takes 1.5 s for each signed request once it has production's traffic",
    expected: { ...rolledBack, reason: /response time|p95|p99|slow/i, staged: [], audienceFails: false },
    change: withWorker('slow-worker.ts'),
  },
  {
    name: 'wrong-bytes',
    summary: "the new Worker changes a byte of one answer in ten once it has production's traffic",
    expected: { ...rolledBack, reason: /byte/, staged: [], audienceFails: true },
    change: withWorker('wrong-bytes-worker.ts'),
  },
  {
    name: 'stale-dns',
    summary: 'a resolver goes on giving the old address: it never lets go in the time that the switch has',
    expected: {
      ...rolledBack,
      reason: /switched to the edge|DNS/,
      staged: [/^planted: stale-dns/],
      audienceFails: false,
    },
    async play(event, stage) {
      const resolver = stage.resolvers.at(-1);
      if (event.kind === 'step.started' && event.subject === 'dns.switch' && resolver !== undefined)
        await stage.plant({ kind: 'stale-dns', resolver, seconds: FOR_GOOD });
    },
  },
  {
    name: 'api-outage',
    summary: "Cloudflare's API and its analytics answer 503 for 3 s while DNS is switched",
    expected: { ...completed, staged: [/^planted: api-outage/] },
    async play(event, stage) {
      if (event.kind === 'step.started' && event.subject === 'dns.switch')
        await stage.plant({ kind: 'api-outage', answer: '503', seconds: 3 });
    },
  },
  lateUploads,
  {
    name: 'no-data',
    summary: 'the analytics count nothing any more while production is watched',
    expected: { ...rolledBack, reason: /no data/, staged: [/^planted: no-analytics/], audienceFails: false },
    async play(event, stage) {
      if (event.kind === 'phase.started' && event.phase === 'cutover.monitor')
        await stage.plant({ kind: 'no-analytics', seconds: FOR_GOOD });
    },
  },
  {
    name: 'lost-objects',
    summary: 'five objects vanish from R2 after the copy was verified: the gate refuses the cutover',
    expected: {
      outcome: 'failed',
      exitCode: 1,
      reason: /5 objects .*R2/,
      staged: [/^taken out of production's bucket: 5/],
      audienceFails: false,
    },
    async play(event, stage) {
      if (event.kind === 'check.verdict' && event.subject === 'production.copy') await stage.loseObjects(5);
    },
  },
  {
    name: 'abort-midway',
    summary: 'the operator aborts when production is to be verified: all moved, and all moves back',
    expected: { ...rolledBack, reason: /abort/i, staged: [/^aborted by /], audienceFails: false },
    async play(event, stage) {
      if (event.kind === 'phase.started' && event.phase === 'cutover.verify')
        await stage.abort('the rehearsed operator', 'an incident elsewhere: all hands are needed there');
    },
  },
  {
    name: 'second-operator',
    summary: 'somebody else starts the same rollout in the middle of the cutover, and is refused',
    expected: { ...completed, staged: [new RegExp(`^${OPERATOR} was refused: .* is driven by \\S+`)] },
    async play(event, stage) {
      if (event.kind === 'phase.started' && event.phase === 'cutover.dns') await stage.enterSecondOperator(OPERATOR);
    },
  },
  {
    name: 'crash',
    summary: 'the controller is killed in each phase, and goes on each time',
    expected: { ...completed, staged: killed },
    play: killAtEach,
    supervised: true,
  },
];
