import type { Controller } from '../engine/controller.ts';
import type { WalkOutcome } from '../engine/walk.ts';
import { startSampler } from '../monitor/metrics-sampler.ts';
import type { Providers } from '../providers/providers.ts';
import { countTraffic } from './audience-steps.ts';
import type { Scenario, Stage } from './scenario.ts';
import { playScenario } from './stage.ts';

const SAMPLE_EVERY_MS = 1000;

export interface Performance {
  readonly controller: Controller;
  readonly scenario: Scenario;
  readonly stage: Stage;
  readonly providers: Providers;
  /** Takes what is to be done, last one first, when it breaks off. Each is safe to do twice. */
  readonly undo: (action: () => Promise<unknown>) => void;
}

/** Plays a scenario beside its rollout to the end, counts the audience, which stops then, and writes down the outcome. */
export async function playOut({ controller, scenario, stage, providers, undo }: Performance): Promise<WalkOutcome> {
  const sampler = startSampler(controller.context, SAMPLE_EVERY_MS);
  undo(() => sampler.stop());
  const playing = playScenario(scenario, stage, (listener) => controller.journal.subscribe(listener));
  undo(() => playing.end());
  const outcome = await Promise.race([controller.run(), playing.broken]);
  await playing.end();
  await countTraffic(controller, providers);
  await sampler.stop();
  await controller.context.record({ kind: 'rollout.finished', data: outcome, key: 'rollout/finished' });
  return outcome;
}
