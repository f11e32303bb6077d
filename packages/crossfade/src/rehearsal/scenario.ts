import type { RolloutConfig } from '../rollout/config.ts';
import type { RolloutReport } from '../rollout/report-shapes.ts';

/** A story that a rehearsal plays: what is planted, and how it must end. */
export interface Scenario {
  readonly name: string;
  readonly summary: string;
  readonly expected: { readonly outcome: RolloutReport['outcome']; readonly exitCode: number };
  /** Plants the scenario's fault in the config, e.g. another Worker. */
  readonly change?: (config: RolloutConfig) => RolloutConfig;
}
