import type { Check } from '../rollout/plan.ts';

/** The browser journeys of Audafact's rollout. */
export async function audafactJourneys(): Promise<readonly Check[]> {
  return [];
}
