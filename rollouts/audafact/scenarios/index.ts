import type { Scenario } from '@crossfade/crossfade/rehearsal/scenario';

export const scenarios: readonly Scenario[] = [
  {
    name: 'smooth',
    summary: 'nothing goes wrong',
    expected: { outcome: 'completed', exitCode: 0 },
  },
  {
    name: 'broken-worker',
    summary: "the new Worker fails one in five signed requests once it has production's traffic",
    expected: { outcome: 'rolled-back', exitCode: 3 },
    change: (config) => ({
      ...config,
      worker: { ...config.worker, entry: 'rollouts/audafact/scenarios/broken-worker.ts' },
    }),
  },
];
