/** The PRD's interfaces, under the PRD's own names. A number that nobody measured is `null`, never 0. */
type Proven<Names extends string> = Record<Names, boolean>;
type Measured<Names extends string> = Record<Names, number | null>;

/** `true`: proven on staging by a verdict in the journal. */
export interface StagingValidation {
  worker: Proven<'endpoints' | 'auth' | 'rateLimiting' | 'quotas'>;
  r2: Proven<'uploads' | 'previews' | 'deletions' | 'lifecycle'>;
  frontend: Proven<'uploadFlow' | 'previewFlow' | 'dragAndDrop' | 'mobileCompatibility'>;
  performance: Proven<'responseTime' | 'throughput' | 'errorRate'>;
}

/** `true`: proven before the cutover. */
export interface PreCutoverChecklist {
  staging: Proven<'allTestsPassing' | 'performanceValidated' | 'securityValidated' | 'monitoringOperational'>;
  production: Proven<'workerDeployed' | 'r2Configured' | 'dnsUpdated' | 'monitoringReady' | 'rollbackPlanReady'>;
  team: Proven<'onCallSchedule' | 'communicationPlan' | 'escalationProcedures'>;
}

/** `rolled-back`: it passed, and a rollback has taken it back since. */
export type PhaseStatus = 'passed' | 'failed' | 'not-run' | 'rolled-back';

export interface CutoverPhaseReport {
  status: PhaseStatus;
  seconds: number | null;
}
export type CutoverReport = Record<'phase1' | 'phase2' | 'phase3' | 'phase4', CutoverPhaseReport>;

/** Rates are per second, times in ms, sizes in bytes, error and success rates between 0 and 1, cost in USD. */
export interface ProductionMetrics {
  worker: Measured<'requestRate' | 'errorRate' | 'responseTime' | 'activeConnections'>;
  r2: Measured<'uploadRate' | 'downloadRate' | 'storageUsage' | 'costPerHour'>;
  frontend: Measured<'userSessions' | 'uploadSuccessRate' | 'previewSuccessRate' | 'errorRate'>;
  system: Measured<'cpuUsage' | 'memoryUsage' | 'networkLatency' | 'databaseConnections'>;
}

type Firing<Names extends string> = Record<Names, boolean | null>;

/** `true`: firing. `null`: nothing measures it. Beside the PRD's alerts are those of what needs no window. */
export interface ProductionAlerts {
  critical: Firing<
    'workerDown' | 'highErrorRate' | 'quotaExceeded' | 'wrongBytes' | 'foreignObject' | 'noData' | 'tooSlow'
  >;
  warning: Firing<'highResponseTime' | 'highCostRate' | 'lowSuccessRate' | 'mirrorLag' | 'legacyRefuses'>;
  info: Firing<'highUsage' | 'newUserSignup' | 'largeUpload'>;
}

/** `true`: removed and proven gone. */
export interface LegacySystems {
  supabase: Proven<'s3Credentials' | 'storageBuckets' | 'oldMigrations'>;
  code: Proven<'getPublicUrlMethods' | 'fileUrlDependencies' | 'legacyUploadLogic'>;
  configuration: Proven<'oldEnvVars' | 'deprecatedConfigs' | 'unusedDependencies'>;
  documentation: Proven<'oldArchitectureDocs' | 'migrationScripts' | 'outdatedGuides'>;
}

export type Success = Proven<
  'zeroDowntime' | 'endpointsWithin15Min' | 'meetsStagingPerformance' | 'noCriticalIssues' | 'legacyRemoved'
>;

export type DefinitionOfDone = Proven<
  | 'stagingValidated'
  | 'productionDeployed'
  | 'systemsOperational'
  | 'performanceValidated'
  | 'legacyRemoved'
  | 'documentationUpdated'
  | 'artifactsArchived'
  | 'debriefCompleted'
  | 'lessonsDocumented'
>;

/** Operations of uploaders that succeeded against the new store, and those whose answer was lost. */
export interface WritesSinceSwitch {
  readonly uploads: number;
  readonly overwrites: number;
  readonly deletes: number;
  readonly unknown: number;
}

/** What `rehearse --report FILE` writes. */
export interface RolloutReport {
  outcome: 'completed' | 'rolled-back' | 'failed';
  /** Why it did not complete, in a sentence; `null` when it did. */
  reason: string | null;
  rollout: string;
  scenario: string | null;
  scale: string | null;
  startedAt: string;
  endedAt: string;
  phases: { id: string; status: PhaseStatus; startedAt: string | null; endedAt: string | null }[];
  staging: StagingValidation;
  preCutover: PreCutoverChecklist;
  cutover: CutoverReport;
  traffic: {
    requests: number;
    failed: number;
    longestGapMs: number;
    p50Ms: number;
    p99Ms: number;
    /** `planted`: made by a rehearsal's scenario on purpose. */
    reasons: { reason: string; count: number; planted: boolean }[];
    /** Of a rehearsal's audience: the same one chooses alike. */
    seed: number | null;
  };
  rollback: null | {
    kind: string;
    measure: string;
    detectedMs: number;
    recoveredMs: number | null;
    /** Files whose last operation was an upload or an overwrite, and that legacy does not hold byte by byte. */
    lostUploads: number | null;
    /** Those of the lost uploads whose last operation was an overwrite. */
    lostOverwrites: number | null;
    /** Files whose last operation was a delete, and that are still there, or their row is. */
    lostDeletes: number | null;
    /** What the uploaders had done between the switch and the first sign of trouble: so much was at stake. */
    sinceSwitch: WritesSinceSwitch | null;
  };
  transfer: { objects: number; bytes: number; verified: number; mismatched: number };
  metrics: ProductionMetrics;
  alerts: { rule: string; severity: string; firedAt: string; resolvedAt: string | null; deliveredTo: string[] }[];
  /** Messages of the communication plan that were sent at their moment; `refused`: why the channel did not take it. */
  announcements: { message: string; channel: string; at: string; refused: string | null }[];
  legacy: LegacySystems;
  archive: { path: string | null; files: number; verified: boolean };
  success: Success;
  definitionOfDone: DefinitionOfDone;
  /** JSON path of each claim that is true (or each number) → the id of the journal event that shows it. */
  evidence: Record<string, string>;
  /** JSON path of each claim that is false → why. */
  reasons: Record<string, string>;
}
