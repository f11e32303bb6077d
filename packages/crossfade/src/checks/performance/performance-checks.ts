import * as v from 'valibot';
import type { EnvironmentName, RolloutConfig } from '../../rollout/config.ts';
import type { JournalEvent } from '../../rollout/journal-event.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { Check } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { openMediaClient } from '../worker/media-client.ts';
import { toneWav } from '../worker/tone-wav.ts';
import { openLoad, type LoadResult } from './open-load.ts';

/** Simple operations at the rate that the config's throughput target asks for: half signing, half ranged reads. */
async function measureLoad(context: RolloutContext, environment: EnvironmentName): Promise<LoadResult> {
  const { throughput, responseMs } = context.config.targets;
  const client = await openMediaClient(context, environment);
  const key = await client.upload('load.wav', 'audio/wav', toneWav(2, 220));
  try {
    const { url } = await client.signFile(key);
    return await openLoad(
      { perSecond: throughput, warmUpMs: 1000, durationMs: 5000, answerMs: responseMs, signal: context.signal },
      async (index) => {
        const [response, expected] =
          index % 2 === 0
            ? [await client.request(`/api/sign-file?key=${encodeURIComponent(key)}`), 200]
            : [await client.follow(url, { headers: { range: 'bytes=0-16383' } }), 206];
        if (response.status !== expected) throw new Error(`HTTP ${response.status}, expected ${expected}`);
      },
    );
  } finally {
    await client.remove(key);
  }
}

const vitalsShape = v.object({
  result: v.object({
    lcpMs: v.nullable(v.number()),
    cls: v.nullable(v.number()),
    previewStartMs: v.nullable(v.number()),
  }),
});
type Vitals = v.InferOutput<typeof vitalsShape>['result'];
/** The journey that listens, and so knows how the page felt. */
const LISTENING = 'previewFlow';

/** Core Web Vitals as the browser of this validation saw them; `null` when no browser walked the journey. */
function vitalsIn(history: readonly JournalEvent[], environment: EnvironmentName): Vitals | null {
  const subject = `${environment}.frontend.${LISTENING}`;
  const walked = history.findLast((event) => event.kind === 'check.verdict' && event.subject === subject);
  const parsed = v.safeParse(vitalsShape, walked?.kind === 'check.verdict' ? walked.data.verdict.measured : null);
  return parsed.success ? parsed.output.result : null;
}

function slowIn(vitals: Vitals | null, targets: RolloutConfig['targets']['browser']): string[] {
  if (vitals === null) return [];
  return (Object.keys(targets) as (keyof typeof targets)[])
    .filter((name) => (vitals[name] ?? 0) > targets[name])
    .map((name) => `${name} ${vitals[name]} above ${targets[name]}`);
}

function describe({ lcpMs, cls, previewStartMs }: Vitals): string {
  const ms = (value: number | null): string => (value === null ? 'not seen' : `${Math.round(value)} ms`);
  return `largest paint ${ms(lcpMs)}, layout shift ${cls ?? 'not seen'}, preview starts after ${ms(previewStartMs)}`;
}

/** One load, three questions: how fast, how many, how often wrong. */
export function performanceChecks(environment: EnvironmentName): Check[] {
  let running: { rollout: string; result: Promise<LoadResult> } | undefined;
  const load = async (context: RolloutContext): Promise<{ result: LoadResult; evidence: string }> => {
    // The three checks of one rollout share one load; it starts with the first that asks.
    if (running?.rollout !== context.rollout)
      running = { rollout: context.rollout, result: measureLoad(context, environment) };
    const result = await running.result;
    return { result, evidence: await context.keep(`${environment}/load.json`, JSON.stringify(result, null, 2)) };
  };
  const proves = (name: string): string[] => [`${environment}.performance.${name}`];
  return [
    {
      id: `${environment}.performance.responseTime`,
      title: 'Simple operations answer in time',
      proves: proves('responseTime'),
      async run(context) {
        const { result, evidence } = await load(context);
        const { responseMs, browser } = context.config.targets;
        const vitals = vitalsIn(await context.history(), environment);
        const slow = slowIn(vitals, browser);
        return verdict(result.requests > 0 && result.p95Ms < responseMs && slow.length === 0, {
          summary: `p95 ${result.p95Ms} ms from the intended start, target below ${responseMs} ms; in the browser: ${
            vitals === null ? 'nobody looked' : slow.length === 0 ? describe(vitals) : slow.join(', ')
          }`,
          measured: {
            p50Ms: result.p50Ms,
            p95Ms: result.p95Ms,
            p99Ms: result.p99Ms,
            requests: result.requests,
            browser: vitals === null ? null : { ...vitals },
          },
          expected: { p95Ms: `< ${responseMs}`, browser: { ...browser } },
          evidence: [evidence],
        });
      },
    },
    {
      id: `${environment}.performance.throughput`,
      title: 'The target rate is sustained',
      proves: proves('throughput'),
      async run(context) {
        const { result, evidence } = await load(context);
        const least = context.config.targets.throughput * 0.95;
        return verdict(result.perSecond >= least, {
          summary: `${result.perSecond} requests/s answered, target ${context.config.targets.throughput} (at least 95 % of it)`,
          measured: { perSecond: result.perSecond, requests: result.requests },
          expected: { perSecond: `>= ${least}` },
          evidence: [evidence],
        });
      },
    },
    {
      id: `${environment}.performance.errorRate`,
      title: 'Valid requests do not fail',
      proves: proves('errorRate'),
      async run(context) {
        const { result, evidence } = await load(context);
        const rate = result.requests === 0 ? 1 : result.failed / result.requests;
        return verdict(rate < context.config.targets.errorRate, {
          summary: `${result.failed} of ${result.requests} failed${result.firstError === null ? '' : ` (${result.firstError})`}`,
          measured: { rate, failed: result.failed, requests: result.requests },
          expected: { rate: `< ${context.config.targets.errorRate}` },
          evidence: [evidence],
        });
      },
    },
  ];
}
