import { journeys } from '@crossfade/audafact/journeys';
import { findChromium } from '../../../../scripts/find-chromium.mjs';
import { journeyChecks } from '../checks/frontend/journey-checks.ts';
import type { Check } from '../rollout/plan.ts';

/** The browser journeys of Audafact's rollout, in the Chromium that this machine has. */
export function audafactJourneys(): readonly Check[] {
  return journeyChecks(journeys, findChromium());
}
