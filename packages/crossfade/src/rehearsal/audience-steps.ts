import type { AudienceLoad } from '@crossfade/local-cloud/audience/load';
import type { Controller } from '../engine/controller.ts';
import type { Providers } from '../providers/providers.ts';
import type { RolloutPlan } from '../rollout/plan.ts';
import { verdict } from '../rollout/verdict.ts';

/** Unless another load is named; each arrival makes one or two requests then. */
export const USUAL_LOAD: Omit<AudienceLoad, 'seed'> = { ratePerSecond: 60, pieces: 1 };
/** So long the audience's count is watched, to see whether it moves, ms. */
const LOOK_MS = 400;

/** The audience listens from before the first staging check to the end of the watch. */
export function withAudience(plan: RolloutPlan, providers: Providers): RolloutPlan {
  const { audience } = providers;
  if (audience === null) return plan;
  const step = (id: string, title: string, act: () => Promise<void>, moving: boolean) => ({
    kind: 'step' as const,
    step: {
      id,
      title,
      proves: [],
      look: async () => null,
      run: async () => {
        await act();
        return { done: true };
      },
      verify: async () => {
        const before = await audience.stats();
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
        const after = await audience.stats();
        const moved = after.requests > before.requests;
        return verdict(moved === moving, {
          summary: `${after.requests} requests so far, ${moved ? 'rising' : 'at rest'}`,
          measured: after.requests - before.requests,
          expected: moving ? '> 0' : 0,
        });
      },
      compensate: async () => null,
    },
  });
  return {
    ...plan,
    phases: plan.phases.map((phase) => {
      if (phase.id === 'staging') {
        return {
          ...phase,
          parts: [step('audience.start', 'Audience listens and uploads', () => audience.start(), true), ...phase.parts],
        };
      }
      if (phase.id === 'cleanup') {
        return {
          ...phase,
          parts: [step('audience.stop', 'Audience at rest', () => audience.stop(), false), ...phase.parts],
        };
      }
      return phase;
    }),
  };
}

/** Ends the audience and records what it counted. */
export async function countTraffic({ context }: Controller, providers: Providers): Promise<void> {
  if (providers.audience === null) return;
  await providers.audience.stop();
  const { requests, failed, longestGapMs, p50Ms, p99Ms, reasons, seed } = await providers.audience.stats();
  await context.record({
    kind: 'traffic.counted',
    data: { requests, failed, longestGapMs, p50Ms, p99Ms, reasons, seed },
    key: 'traffic/counted',
  });
}
