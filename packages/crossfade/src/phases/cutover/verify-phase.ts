import { endpointsCheck } from '../../checks/worker/endpoints.ts';
import { openMediaClient } from '../../checks/worker/media-client.ts';
import { toneWav } from '../../checks/worker/tone-wav.ts';
import { openLoad, type LoadResult } from '../../checks/performance/open-load.ts';
import type { EnvironmentName } from '../../rollout/config.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { Check, Phase } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';

/** A canary's reads, slow enough to disturb nobody. */
const CANARY_PER_SECOND = 20;

async function canaryReads(context: RolloutContext, environment: EnvironmentName): Promise<LoadResult> {
  const client = await openMediaClient(context, environment);
  const key = await client.upload('canary read.wav', 'audio/wav', toneWav(1, 330));
  try {
    const { url } = await client.signFile(key);
    return await openLoad(
      { perSecond: CANARY_PER_SECOND, warmUpMs: 500, durationMs: 3000, answerMs: 0, signal: context.signal },
      async () => {
        const response = await client.follow(url, { headers: { range: 'bytes=0-8191' } });
        if (response.status !== 206) throw new Error(`HTTP ${response.status}`);
      },
    );
  } finally {
    await client.remove(key);
  }
}

/** A comparison that fails is made anew so often: a hiccup of this machine or the network is gone by then. */
const COMPARISONS = 3;

/** Production answers as fast as staging, measured side by side by the same canary. */
export function meetsStagingCheck(readsOf: typeof canaryReads = canaryReads): Check {
  return {
    id: 'production.performance.meetsStaging',
    title: "Production's response time is within tolerance of staging's",
    proves: ['success.meetsStagingPerformance', 'definitionOfDone.performanceValidated'],
    async run(context) {
      const { factor, plusMs } = context.config.targets.stagingTolerance;
      for (let comparison = 1; ; comparison++) {
        const [production, staging] = await Promise.all([readsOf(context, 'production'), readsOf(context, 'staging')]);
        const limit = Math.max(staging.p95Ms * factor, staging.p95Ms + plusMs);
        const holds = production.failed === 0 && production.requests > 0 && production.p95Ms <= limit;
        // Failures are no hiccup: they are told at once.
        if (!holds && production.failed === 0 && comparison < COMPARISONS) continue;
        return verdict(holds, {
          summary: `production p95 ${production.p95Ms} ms, staging p95 ${staging.p95Ms} ms, limit ${Math.round(limit)} ms, ${production.failed} failed`,
          measured: { production: { ...production }, staging: { ...staging }, comparison },
          expected: { p95Ms: `<= ${Math.round(limit)}`, failed: 0 },
        });
      }
    },
  };
}

/** Phase 3 of the PRD's cutover: every endpoint in production, from outside. */
export function verifyPhase(options: { plannedMs: number; deadlineMs: number }): Phase {
  return {
    id: 'cutover.verify',
    title: 'Cutover 3 · Verify',
    plannedMs: options.plannedMs,
    deadlineMs: options.deadlineMs,
    gate: [],
    rollback: 'full',
    mirrors: true,
    parts: [
      {
        kind: 'checks',
        id: 'endpoints',
        mustPass: true,
        checks: [endpointsCheck('production', ['definitionOfDone.productionDeployed', 'success.endpointsWithin15Min'])],
      },
      { kind: 'checks', id: 'performance', mustPass: true, checks: [meetsStagingCheck()] },
    ],
  };
}
