import type { JournalEvent, JournalKind } from '../rollout/journal-event.ts';
import type { ProductionMetrics, RolloutReport } from '../rollout/report-shapes.ts';
import { readClaims, type Claims } from './claims.ts';
import { chapters, CUTOVER, cutoverReport, rolledBackSince } from './phase-status.ts';

type EventOf<Kind extends JournalKind> = Extract<JournalEvent, { kind: Kind }>;

const FIFTEEN_MINUTES_MS = 15 * 60_000;

/** The document of one rollout, from its journal and nothing else. */
export function buildReport(events: readonly JournalEvent[]): RolloutReport {
  const of = <Kind extends JournalKind>(kind: Kind): EventOf<Kind>[] =>
    events.filter((event): event is EventOf<Kind> => event.kind === kind);
  const started = of('rollout.started')[0];
  const last = events.at(-1);
  if (started === undefined || last === undefined) throw new Error('the journal holds no rollout');
  const finished = of('rollout.finished').at(-1);
  const claims = readClaims(events);
  const named = <Name extends string>(prefix: string, names: readonly Name[]): Record<Name, boolean> => {
    const entries = names.map((name) => [name, claims.claim(`${prefix}.${name}`)] as const);
    return Object.fromEntries(entries) as Record<Name, boolean>;
  };
  const staging = {
    worker: named('staging.worker', ['endpoints', 'auth', 'rateLimiting', 'quotas']),
    r2: named('staging.r2', ['uploads', 'previews', 'deletions', 'lifecycle']),
    frontend: named('staging.frontend', ['uploadFlow', 'previewFlow', 'dragAndDrop', 'mobileCompatibility']),
    performance: named('staging.performance', ['responseTime', 'throughput', 'errorRate']),
  };
  const archiveWritten = of('step.finished').find((event) => event.subject === 'archive.write');
  const archiveResult = archiveWritten?.data.result;
  const archive = {
    path: isRecord(archiveResult) && typeof archiveResult['path'] === 'string' ? archiveResult['path'] : null,
    files: isRecord(archiveResult) && typeof archiveResult['files'] === 'number' ? archiveResult['files'] : 0,
    verified: claims.claim('archive.verified'),
  };
  const legacy = {
    supabase: named('legacy.supabase', ['s3Credentials', 'storageBuckets', 'oldMigrations']),
    code: named('legacy.code', ['getPublicUrlMethods', 'fileUrlDependencies', 'legacyUploadLogic']),
    configuration: named('legacy.configuration', ['oldEnvVars', 'deprecatedConfigs', 'unusedDependencies']),
    documentation: named('legacy.documentation', ['oldArchitectureDocs', 'migrationScripts', 'outdatedGuides']),
  };
  const legacyRemoved = Object.values(legacy).every((group) => Object.values(group).every(Boolean));
  const nothingRemoved = 'legacy is quarantined at most: deleting it comes after a soak, by its own gate';
  return {
    ...ending(events, finished),
    rollout: started.rollout,
    scenario: started.data.scenario,
    scale: started.data.scale,
    startedAt: started.at,
    endedAt: last.at,
    phases: chapters(events),
    staging,
    preCutover: {
      staging: named('preCutover.staging', [
        'allTestsPassing',
        'performanceValidated',
        'securityValidated',
        'monitoringOperational',
      ]),
      production: named('preCutover.production', [
        'workerDeployed',
        'r2Configured',
        'dnsUpdated',
        'monitoringReady',
        'rollbackPlanReady',
      ]),
      team: named('preCutover.team', ['onCallSchedule', 'communicationPlan', 'escalationProcedures']),
    },
    cutover: cutoverReport(events),
    traffic: traffic(of('traffic.counted').at(-1), claims),
    rollback: rollback(of('rollback.decided').at(-1), of('rollback.finished').at(-1), claims),
    transfer: transfer(of('transfer.finished').at(-1), claims),
    metrics: metrics(
      of('metrics.sampled').findLast((event) => (event.data.metrics.worker.requestRate ?? 0) > 0),
      claims,
    ),
    alerts: of('alert.fired').map((event) => ({
      rule: event.data.rule,
      severity: event.data.severity,
      firedAt: event.at,
      resolvedAt:
        of('alert.resolved').find((one) => one.data.rule === event.data.rule && one.seq > event.seq)?.at ?? null,
      deliveredTo: [...event.data.deliveredTo],
    })),
    announcements: of('message.sent')
      .filter((event) => event.data.moment !== null)
      .map(({ at, data: { message, channel, refused } }) => ({ message, channel, at, refused })),
    legacy,
    archive,
    success: {
      zeroDowntime: claims.claim('success.zeroDowntime'),
      endpointsWithin15Min: endpointsInTime(events, claims),
      meetsStagingPerformance: claims.claim('success.meetsStagingPerformance'),
      noCriticalIssues: claims.claim('success.noCriticalIssues'),
      legacyRemoved: claims.derive('success.legacyRemoved', legacyRemoved ? last : null, nothingRemoved),
    },
    definitionOfDone: {
      stagingValidated: claims.derive(
        'definitionOfDone.stagingValidated',
        Object.values(staging).every((group) => Object.values(group).every(Boolean))
          ? lastVerdict(events, 'staging.')
          : null,
        'not all fifteen of staging are proven',
      ),
      productionDeployed: claims.claim('definitionOfDone.productionDeployed'),
      systemsOperational: claims.claim('definitionOfDone.systemsOperational'),
      performanceValidated: claims.claim('definitionOfDone.performanceValidated'),
      legacyRemoved: claims.derive('definitionOfDone.legacyRemoved', legacyRemoved ? last : null, nothingRemoved),
      documentationUpdated: claims.claim('definitionOfDone.documentationUpdated'),
      artifactsArchived: claims.claim('definitionOfDone.artifactsArchived'),
      debriefCompleted: claims.claim('definitionOfDone.debriefCompleted'),
      lessonsDocumented: claims.claim('definitionOfDone.lessonsDocumented'),
    },
    evidence: claims.evidence,
    reasons: claims.reasons,
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** How the rollout ended, or stands: a rollback by hand counts, also after the end. */
function ending(
  events: readonly JournalEvent[],
  finished: EventOf<'rollout.finished'> | undefined,
): Pick<RolloutReport, 'outcome' | 'reason'> {
  const back = rolledBackSince(events);
  if (back !== null && back.decided.seq > (finished?.seq ?? 0)) {
    const { measure } = back.decided.data;
    return back.ended?.data.complete === true
      ? { outcome: 'rolled-back', reason: measure }
      : { outcome: 'failed', reason: `rollback incomplete after: ${measure}` };
  }
  if (finished === undefined) return { outcome: 'failed', reason: 'the rollout has not finished' };
  return { outcome: finished.data.outcome, reason: finished.data.reason };
}

function lastVerdict(events: readonly JournalEvent[], prefix: string): JournalEvent | null {
  return (
    events.findLast(
      (event) => event.kind === 'check.verdict' && event.data.proves.some((path) => path.startsWith(prefix)),
    ) ?? null
  );
}

/** From the cutover's first moment to the verdict that every endpoint in production answers. */
function endpointsInTime(events: readonly JournalEvent[], claims: Claims): boolean {
  const path = 'success.endpointsWithin15Min';
  const begin = events.find((event) => event.kind === 'phase.started' && event.phase === CUTOVER.phase1);
  const shown = events.find(
    (event) =>
      event.kind === 'check.verdict' && event.data.proves.includes(path) && event.data.verdict.status === 'pass',
  );
  if (begin === undefined || shown === undefined) return claims.claim(path);
  const ms = Date.parse(shown.at) - Date.parse(begin.at);
  return claims.derive(
    path,
    ms <= FIFTEEN_MINUTES_MS ? shown : null,
    `every endpoint answered only after ${Math.round(ms / 1000)} s`,
  );
}

function traffic(event: EventOf<'traffic.counted'> | undefined, claims: Claims): RolloutReport['traffic'] {
  claims.number('traffic', event ?? null, 'nobody outside counted requests');
  if (event === undefined)
    return { requests: 0, failed: 0, longestGapMs: 0, p50Ms: 0, p99Ms: 0, reasons: [], seed: null };
  const { requests, failed, longestGapMs, p50Ms, p99Ms, reasons, seed } = event.data;
  return { requests, failed, longestGapMs, p50Ms, p99Ms, reasons: reasons.map((reason) => ({ ...reason })), seed };
}

function rollback(
  decided: EventOf<'rollback.decided'> | undefined,
  ended: EventOf<'rollback.finished'> | undefined,
  claims: Claims,
): RolloutReport['rollback'] {
  if (decided === undefined) return null;
  claims.number('rollback.detectedMs', decided, '');
  claims.number(
    'rollback.recoveredMs',
    ended?.data.recoveredMs === null || ended === undefined ? null : ended,
    'nobody outside counted requests',
  );
  const lost = {
    lostUploads: 'nobody outside counted uploads',
    lostOverwrites: 'nobody outside counted overwrites',
    lostDeletes: 'nobody outside counted deletes, and the mirror did not come to rest',
    sinceSwitch: 'nobody outside counted writes',
  } as const;
  for (const name of ['lostUploads', 'lostOverwrites', 'lostDeletes', 'sinceSwitch'] as const)
    claims.number(`rollback.${name}`, (ended?.data[name] ?? null) === null ? null : (ended ?? null), lost[name]);
  return {
    kind: decided.data.kind,
    measure: decided.data.measure,
    detectedMs: decided.data.detectedMs,
    recoveredMs: ended?.data.recoveredMs ?? null,
    lostUploads: ended?.data.lostUploads ?? null,
    lostOverwrites: ended?.data.lostOverwrites ?? null,
    lostDeletes: ended?.data.lostDeletes ?? null,
    sinceSwitch: ended?.data.sinceSwitch ?? null,
  };
}

function transfer(event: EventOf<'transfer.finished'> | undefined, claims: Claims): RolloutReport['transfer'] {
  claims.number('transfer', event ?? null, 'nothing was transferred');
  if (event === undefined) return { objects: 0, bytes: 0, verified: 0, mismatched: 0 };
  const { objects, bytes, verified, mismatched } = event.data;
  return { objects, bytes, verified, mismatched };
}

function metrics(event: EventOf<'metrics.sampled'> | undefined, claims: Claims): ProductionMetrics {
  const empty: ProductionMetrics = {
    worker: { requestRate: null, errorRate: null, responseTime: null, activeConnections: null },
    r2: { uploadRate: null, downloadRate: null, storageUsage: null, costPerHour: null },
    frontend: { userSessions: null, uploadSuccessRate: null, previewSuccessRate: null, errorRate: null },
    system: { cpuUsage: null, memoryUsage: null, networkLatency: null, databaseConnections: null },
  };
  const values = event?.data.metrics ?? empty;
  for (const [group, fields] of Object.entries(values)) {
    for (const [name, value] of Object.entries(fields)) {
      claims.number(
        `metrics.${group}.${name}`,
        value === null ? null : (event ?? null),
        'not measured by this version',
      );
    }
  }
  return values;
}
