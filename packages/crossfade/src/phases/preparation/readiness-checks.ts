import { isDeepStrictEqual } from 'node:util';
import * as v from 'valibot';
import { stagingIdentity } from '../staging/staging-identity.ts';
import { edgeAddress } from '../environment/deployment.ts';
import type { JournalEvent } from '../../rollout/journal-event.ts';
import type { Check } from '../../rollout/plan.ts';
import { until } from '../../rollout/until.ts';
import { verdict, type Verdict } from '../../rollout/verdict.ts';
import type { EnvironmentName } from '../../rollout/config.ts';

/** Paths of `StagingValidation`, the PRD's fifteen. */
export const STAGING_CLAIMS = [
  'staging.worker.endpoints',
  'staging.worker.auth',
  'staging.worker.rateLimiting',
  'staging.worker.quotas',
  'staging.r2.uploads',
  'staging.r2.previews',
  'staging.r2.deletions',
  'staging.r2.lifecycle',
  'staging.frontend.uploadFlow',
  'staging.frontend.previewFlow',
  'staging.frontend.dragAndDrop',
  'staging.frontend.mobileCompatibility',
  'staging.performance.responseTime',
  'staging.performance.throughput',
  'staging.performance.errorRate',
] as const;

/** Claims that a passing verdict in the journal proves. The latest verdict for a claim decides. */
export function provenClaims(history: readonly JournalEvent[]): Map<string, JournalEvent> {
  const proven = new Map<string, JournalEvent>();
  for (const event of history) {
    if (event.kind !== 'check.verdict') continue;
    for (const claim of event.data.proves) {
      if (event.data.verdict.status === 'pass') proven.set(claim, event);
      else proven.delete(claim);
    }
  }
  return proven;
}

function claimsVerdict(history: readonly JournalEvent[], claims: readonly string[]): Verdict {
  const proven = provenClaims(history);
  const missing = claims.filter((claim) => !proven.has(claim));
  return verdict(missing.length === 0, {
    summary:
      missing.length === 0
        ? `all ${claims.length} proven`
        : `${missing.length} of ${claims.length} not proven: ${missing.join(', ')}`,
    measured: {
      proven: claims
        .filter((claim) => proven.has(claim))
        .map((claim) => ({ claim, event: proven.get(claim)?.id ?? null })),
      missing,
    },
    expected: { missing: [] },
    mend: 'crossfade stage validate',
  });
}

/** A line of the checklist that follows from staging's verdicts. */
export function fromStaging(name: string, title: string, claims: readonly string[]): Check {
  const path = `preCutover.staging.${name}`;
  return { id: path, title, proves: [path], run: async (context) => claimsVerdict(await context.history(), claims) };
}

const PROBES = 5;

/** Requests made now are seen arriving in the vendor's analytics: the monitoring is not blind. */
export function signalArrivesCheck(environment: EnvironmentName, path: string): Check {
  return {
    id: path,
    title: `Requests to ${environment} are seen in the analytics`,
    proves: [path],
    async run(context) {
      const { mediaOrigin } = context.config.environments[environment].worker;
      const host = new URL(mediaOrigin).hostname;
      const since = Date.now();
      for (let probe = 0; probe < PROBES; probe++) {
        await context.providers.http.request(`${mediaOrigin}/health`, { via: edgeAddress(context) });
      }
      const { good, reading, ms } = await until(
        async () => {
          const statuses = await context.providers.cloudflare.httpStatuses(host, since, Date.now() + 1000);
          return statuses.reduce((sum, status) => sum + status.requests, 0);
        },
        (seen) => seen >= PROBES,
        { timeoutMs: 10_000, everyMs: 200, signal: context.signal },
      );
      return verdict(good, {
        summary: `${reading} of ${PROBES} probes seen in the analytics after ${ms} ms`,
        measured: { seen: reading, ms },
        expected: { seen: `>= ${PROBES}` },
      });
    },
  };
}

const rehearsed = v.object({ workerTag: v.string(), bypassTag: v.string(), configHash: v.string() });

/** The rollback was run for real, against staging, with the very builds and config that would be rolled back. */
export function rollbackRehearsedCheck(): Check {
  const path = 'preCutover.production.rollbackPlanReady';
  return {
    id: path,
    title: 'The rollback was run for real against staging since the last change',
    proves: [path],
    async run(context) {
      const history = await context.history();
      const now = await stagingIdentity(context);
      const event = history.findLast((one) => one.kind === 'check.verdict' && one.subject === 'staging.rollback');
      const last = event?.kind === 'check.verdict' ? event.data.verdict : null;
      const seen = v.safeParse(rehearsed, last?.measured);
      const same = seen.success && isDeepStrictEqual(seen.output, now);
      return verdict(last?.status === 'pass' && same, {
        summary:
          last === null
            ? 'the rollback was not rehearsed'
            : `${last.summary}${same ? '' : '; the Worker or the config changed since'}`,
        measured: {
          event: event?.id ?? null,
          status: last?.status ?? null,
          rehearsedWith: seen.success ? seen.output : null,
        },
        expected: { status: 'pass', rehearsedWith: now },
        mend: 'crossfade prepare',
      });
    },
  };
}
