import type { JournalEvent } from '../rollout/journal-event.ts';
import type { Verdict } from '../rollout/verdict.ts';
import type { StagingValidation } from '../rollout/report-shapes.ts';
import { provenClaims } from '../phases/preparation/readiness-checks.ts';

/** Group → names, in the PRD's order. */
const SHAPE = {
  worker: ['endpoints', 'auth', 'rateLimiting', 'quotas'],
  r2: ['uploads', 'previews', 'deletions', 'lifecycle'],
  frontend: ['uploadFlow', 'previewFlow', 'dragAndDrop', 'mobileCompatibility'],
  performance: ['responseTime', 'throughput', 'errorRate'],
} as const;

export interface StagingLine {
  /** `worker.auth` */
  readonly claim: string;
  readonly title: string;
  readonly proven: boolean;
  readonly verdict: Verdict | null;
  readonly seconds: number | null;
  readonly event: string | null;
}

export interface StagingReport {
  readonly rollout: string;
  readonly startedAt: string;
  readonly endedAt: string;
  readonly seconds: number;
  readonly proven: number;
  readonly validation: StagingValidation;
  readonly lines: readonly StagingLine[];
}

/** The fifteen booleans of staging, each with the verdict that decides it. */
export function buildStagingReport(rollout: string, events: readonly JournalEvent[]): StagingReport {
  const proven = provenClaims(events);
  const lines = Object.entries(SHAPE).flatMap(([group, names]) =>
    names.map((name): StagingLine => {
      const claim = `staging.${group}.${name}`;
      const event = events.findLast((one) => one.kind === 'check.verdict' && one.data.proves.includes(claim));
      const found = event?.kind === 'check.verdict' ? event : null;
      return {
        claim: `${group}.${name}`,
        title: found?.data.title ?? name,
        proven: proven.has(claim),
        verdict: found?.data.verdict ?? null,
        seconds: found === null ? null : found.data.ms / 1000,
        event: found?.id ?? null,
      };
    }),
  );
  const group = <Name extends string>(name: string, names: readonly Name[]): Record<Name, boolean> =>
    Object.fromEntries(
      names.map((one) => [one, lines.some((line) => line.claim === `${name}.${one}` && line.proven)]),
    ) as Record<Name, boolean>;
  const startedAt = events[0]?.at ?? new Date().toISOString();
  const endedAt = events.at(-1)?.at ?? startedAt;
  return {
    rollout,
    startedAt,
    endedAt,
    seconds: (Date.parse(endedAt) - Date.parse(startedAt)) / 1000,
    proven: lines.filter((line) => line.proven).length,
    validation: {
      worker: group('worker', SHAPE.worker),
      r2: group('r2', SHAPE.r2),
      frontend: group('frontend', SHAPE.frontend),
      performance: group('performance', SHAPE.performance),
    },
    lines,
  };
}
