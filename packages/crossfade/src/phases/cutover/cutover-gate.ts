import * as v from 'valibot';
import { configHash } from '../../rollout/config-hash.ts';
import type { JournalEvent } from '../../rollout/journal-event.ts';
import type { Check } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { judgeCoverage } from '../../checks/team/on-call.ts';
import { STAGING_CLAIMS } from '../preparation/readiness-checks.ts';
import { IDENTITY_CHECK, stagingIdentity } from '../staging/staging-identity.ts';

/** Paths of `PreCutoverChecklist`, the PRD's twelve. */
export const CHECKLIST_CLAIMS = [
  'preCutover.staging.allTestsPassing',
  'preCutover.staging.performanceValidated',
  'preCutover.staging.securityValidated',
  'preCutover.staging.monitoringOperational',
  'preCutover.production.workerDeployed',
  'preCutover.production.r2Configured',
  'preCutover.production.dnsUpdated',
  'preCutover.production.monitoringReady',
  'preCutover.production.rollbackPlanReady',
  'preCutover.team.onCallSchedule',
  'preCutover.team.communicationPlan',
  'preCutover.team.escalationProcedures',
] as const;

type VerdictEvent = Extract<JournalEvent, { kind: 'check.verdict' }>;

/** The newest verdict for a claim; `null` when it was never measured. */
function latestFor(history: readonly JournalEvent[], claim: string): VerdictEvent | null {
  const event = history.findLast((one) => one.kind === 'check.verdict' && one.data.proves.includes(claim));
  return event?.kind === 'check.verdict' ? event : null;
}

/** Every line of the checklist is proven; the ones that are not say what was measured, and what would mend them. */
export function checklistCheck(): Check {
  return {
    id: 'cutover.checklist',
    title: 'Every line of the pre-cutover checklist is proven',
    proves: [],
    async run(context) {
      const history = await context.history();
      const lines = CHECKLIST_CLAIMS.map((claim) => ({ claim, event: latestFor(history, claim) }));
      const open = lines.filter(({ event }) => event?.data.verdict.status !== 'pass');
      const [first] = open;
      return verdict(open.length === 0, {
        summary:
          open.length === 0
            ? `all ${lines.length} proven`
            : open.map(({ claim, event }) => `${claim}: ${event?.data.verdict.summary ?? 'never measured'}`).join('; '),
        measured: lines.map(({ claim, event }) => ({
          claim,
          event: event?.id ?? null,
          proven: !open.some((one) => one.claim === claim),
        })),
        expected: { open: 0 },
        mend: first?.event?.data.verdict.mend ?? 'crossfade prepare',
      });
    },
  };
}

const identity = v.object({ workerTag: v.string(), configHash: v.string() });

/** Staging's fifteen are proven for exactly this build and this config, and not too long ago. */
export function stagingStillHoldsCheck(): Check {
  return {
    id: 'cutover.stagingHolds',
    title: "Staging's evidence is fresh, and of this very build and config",
    proves: [],
    async run(context) {
      const history = await context.history();
      const now = await stagingIdentity(context);
      const bound = history.findLast((one) => one.kind === 'check.verdict' && one.subject === IDENTITY_CHECK);
      const seen = v.safeParse(identity, bound?.kind === 'check.verdict' ? bound.data.verdict.measured : null);
      const most = context.config.gates.validationExpiresMs;
      const ages = STAGING_CLAIMS.map((claim) => {
        const event = latestFor(history, claim);
        return { claim, ageMs: event?.data.verdict.status === 'pass' ? Date.now() - Date.parse(event.at) : null };
      });
      const stale = ages.filter(({ ageMs }) => ageMs === null || ageMs > most).map(({ claim }) => claim);
      const sameBuild = seen.success && seen.output.workerTag === now.workerTag;
      const sameConfig = seen.success && seen.output.configHash === configHash(context.config);
      const measured = {
        oldestMs: Math.max(...ages.map(({ ageMs }) => ageMs ?? Infinity)),
        stale,
        workerTag: seen.success ? seen.output.workerTag : null,
        configHash: seen.success ? seen.output.configHash : null,
      };
      const why = [
        ...(stale.length === 0
          ? []
          : [
              `${stale.length} of ${ages.length} claims are not proven within ${most / 3600_000} h: ${stale.join(', ')}`,
            ]),
        ...(sameBuild
          ? []
          : [`staging was proven for the build ${measured.workerTag ?? '(none)'}, this is ${now.workerTag}`]),
        ...(sameConfig ? [] : ['staging was proven under another config']),
      ];
      return verdict(why.length === 0, {
        summary: why.length === 0 ? `all ${ages.length} proven for ${now.workerTag}` : why.join('; '),
        measured: { ...measured, oldestMs: Number.isFinite(measured.oldestMs) ? measured.oldestMs : null },
        expected: { stale: [], oldestMs: `<= ${most}`, workerTag: now.workerTag, configHash: now.configHash },
        mend: 'crossfade stage validate',
      });
    },
  };
}

/** The preparation's verdict on who is on call may be a day old, and a schedule changes: it is read anew. */
export function stillCoveredCheck(): Check {
  return {
    id: 'cutover.onCall',
    title: 'Somebody is on call from now to the end of the watch',
    proves: [],
    run: judgeCoverage,
  };
}
