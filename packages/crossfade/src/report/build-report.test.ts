import { describe, expect, it } from 'vitest';
import type { JournalEntry, JournalEvent } from '../rollout/journal-event.ts';
import { rollbacks } from '../phases/rollback/rollbacks.ts';
import { ROLLBACK_SCOPES, type PhaseId, type RollbackKind } from '../rollout/plan.ts';
import { verdict } from '../rollout/verdict.ts';
import { buildReport } from './build-report.ts';

const START = Date.UTC(2026, 0, 1);
const STARTED: JournalEntry = {
  kind: 'rollout.started',
  data: { scenario: 'smooth', configHash: 'hash', scale: null, plan: [] },
};

/** A journal with a second between its events. */
function journal(...entries: readonly (JournalEntry & { phase?: PhaseId })[]): JournalEvent[] {
  return [STARTED, ...entries].map(({ phase = null, ...entry }: JournalEntry & { phase?: PhaseId | null }, index) => ({
    ...entry,
    phase,
    seq: index + 1,
    id: `ev-${index + 1}`,
    at: new Date(START + index * 1000).toISOString(),
    rollout: 'a-rollout',
    subject: null,
  }));
}

const judged = (proves: string, holds: boolean): JournalEntry => ({
  kind: 'check.verdict',
  data: {
    title: 'The check',
    proves: [proves],
    ms: 1,
    verdict: verdict(holds, { summary: holds ? 'as expected' : '3 of 9 wrong', measured: holds ? 0 : 3, expected: 0 }),
  },
});

const UNKNOWN_LOSS = { lostUploads: null, lostOverwrites: null, lostDeletes: null, sinceSwitch: null };

describe('a report', () => {
  it('claims nothing that no verdict shows, and says so', () => {
    const { staging, evidence, reasons } = buildReport(journal());
    expect(staging.worker.auth).toBe(false);
    expect(evidence['staging.worker.auth']).toBeUndefined();
    expect(reasons['staging.worker.auth']).toContain('not measured');
  });

  it('claims what a verdict shows, and names the event', () => {
    const { staging, evidence } = buildReport(journal(judged('staging.worker.auth', true)));
    expect(staging.worker.auth).toBe(true);
    expect(evidence['staging.worker.auth']).toBe('ev-2');
  });

  it('believes the latest verdict: a later failure takes the claim back, with what was measured', () => {
    const events = journal(judged('staging.worker.auth', true), judged('staging.worker.auth', false));
    const { staging, evidence, reasons } = buildReport(events);
    expect(staging.worker.auth).toBe(false);
    expect(evidence['staging.worker.auth']).toBeUndefined();
    expect(reasons['staging.worker.auth']).toBe('The check: 3 of 9 wrong');
  });

  it('calls a rollout without an end failed, not completed', () => {
    expect(buildReport(journal())).toMatchObject({ outcome: 'failed', reason: 'the rollout has not finished' });
  });

  it('has null for a number that nobody measured, never 0', () => {
    const { metrics, rollback, cutover } = buildReport(journal());
    expect(Object.values(metrics).flatMap((group) => Object.values(group))).toEqual(
      Array.from({ length: 16 }, () => null),
    );
    expect(rollback).toBeNull();
    expect(cutover.phase1).toEqual({ status: 'not-run', seconds: null });
  });

  it('tells of a rollback what set it off, and how long it took', () => {
    const { rollback, outcome, reason, evidence, reasons } = buildReport(
      journal(
        {
          kind: 'rollback.decided',
          data: {
            kind: 'full',
            measure: 'error rate',
            measured: 0.2,
            expected: 0.05,
            troubleSince: new Date(START).toISOString(),
            detectedMs: 700,
          },
        },
        {
          kind: 'rollback.finished',
          data: {
            kind: 'full',
            complete: true,
            tookMs: 5000,
            budgetMs: 900_000,
            recoveredMs: 1400,
            lostUploads: 1,
            lostOverwrites: 0,
            lostDeletes: null,
            sinceSwitch: { uploads: 500, overwrites: 100, deletes: 50, unknown: 2 },
          },
        },
        { kind: 'rollout.finished', data: { outcome: 'rolled-back', reason: 'error rate' } },
      ),
    );
    expect({ outcome, reason }).toEqual({ outcome: 'rolled-back', reason: 'error rate' });
    expect(rollback).toMatchObject({
      kind: 'full',
      detectedMs: 700,
      recoveredMs: 1400,
      lostUploads: 1,
      lostOverwrites: 0,
      lostDeletes: null,
      sinceSwitch: { uploads: 500, overwrites: 100, deletes: 50, unknown: 2 },
    });
    expect(evidence['rollback.lostUploads']).toBe(evidence['rollback.sinceSwitch']);
    expect(reasons['rollback.lostDeletes']).toMatch(/nobody outside counted deletes/);
  });

  it('counts the cutover as in time only when every endpoint answered within 15 minutes of its start', () => {
    const path = 'success.endpointsWithin15Min';
    const begin = { kind: 'phase.started' as const, data: { deadlineMs: 1 }, phase: 'cutover.worker' as const };
    expect(buildReport(journal(begin, judged(path, true))).success.endpointsWithin15Min).toBe(true);
    const late = journal(begin, judged(path, true)).map((event, index) =>
      index === 2 ? { ...event, at: new Date(START + 16 * 60_000).toISOString() } : event,
    );
    const report = buildReport(late);
    expect(report.success.endpointsWithin15Min).toBe(false);
    expect(report.reasons[path]).toContain('only after 959 s');
  });

  it('says that a chapter passed only when all of its phases did', () => {
    const started = (phase: PhaseId) => ({ kind: 'phase.started' as const, data: { deadlineMs: 1 }, phase });
    const passed = (phase: PhaseId) => ({
      kind: 'phase.finished' as const,
      data: { status: 'passed' as const, seconds: 2, reason: null },
      phase,
    });
    const first = [started('cutover.worker'), passed('cutover.worker')];
    const status = (events: JournalEvent[]) => buildReport(events).phases.find(({ id }) => id === 'cutover')?.status;
    expect(status(journal(...first))).toBe('not-run');
    const rest = (['cutover.dns', 'cutover.verify', 'cutover.monitor'] as const).flatMap((id) => [
      started(id),
      passed(id),
    ]);
    expect(status(journal(...first, ...rest))).toBe('passed');
  });

  describe('after a rollback by hand', () => {
    const PHASES = ['cutover.worker', 'cutover.dns', 'cutover.verify', 'cutover.monitor'] as const;
    const passed = (phase: PhaseId) => [
      { kind: 'phase.started' as const, data: { deadlineMs: 1 }, phase },
      { kind: 'phase.finished' as const, data: { status: 'passed' as const, seconds: 2, reason: null }, phase },
    ];
    const whole = [
      ...PHASES.flatMap(passed),
      { ...judged('definitionOfDone.systemsOperational', true), phase: 'cutover.monitor' as const },
      { kind: 'rollout.finished' as const, data: { outcome: 'completed' as const, reason: null } },
    ];
    const by = 'asked for by Ada';
    const back = (kind: RollbackKind, complete: boolean): JournalEntry[] => [
      {
        kind: 'rollback.decided',
        data: { kind, measure: by, measured: null, expected: null, troubleSince: '2026-01-01', detectedMs: 0 },
      },
      {
        kind: 'rollback.finished',
        data: { kind, complete, tookMs: 1, budgetMs: 9, recoveredMs: null, ...UNKNOWN_LOSS },
      },
    ];
    const read = (...entries: (JournalEntry & { phase?: PhaseId })[]) => {
      const { outcome, reason, cutover, phases, definitionOfDone, reasons } = buildReport(journal(...entries));
      return {
        outcome,
        reason,
        statuses: Object.values(cutover).map(({ status }) => status),
        chapter: phases.find(({ id }) => id === 'cutover')?.status,
        operational: definitionOfDone.systemsOperational,
        why: reasons['definitionOfDone.systemsOperational'],
      };
    };
    const stands = { outcome: 'completed', statuses: PHASES.map(() => 'passed'), chapter: 'passed', operational: true };

    it('of all of it, the cutover that passed is rolled back, and nothing is said to be done', () => {
      expect(read(...whole)).toMatchObject(stands);
      expect(read(...whole, ...back('full', true))).toEqual({
        outcome: 'rolled-back',
        reason: by,
        statuses: PHASES.map(() => 'rolled-back'),
        chapter: 'rolled-back',
        operational: false,
        why: `rolled back since: ${by}`,
      });
    });

    it.each([
      ['immediate', ['rolled-back', 'passed', 'passed', 'passed']],
      ['dns', ['rolled-back', 'rolled-back', 'passed', 'passed']],
    ] as const)('of kind %s, what it takes back is rolled back', (kind, statuses) => {
      const report = read(...whole, ...back(kind, true));
      expect(report).toMatchObject({ outcome: 'rolled-back', statuses, chapter: 'rolled-back' });
    });

    it('of the data, all stands', () => {
      expect(read(...whole, ...back('data', true))).toMatchObject(stands);
    });

    it('that is not complete, the cutover has failed, not passed', () => {
      const report = read(...whole, ...back('full', false));
      expect(report).toMatchObject({
        outcome: 'failed',
        reason: `rollback incomplete after: ${by}`,
        chapter: 'failed',
      });
    });

    it('and a cutover anew, it stands', () => {
      expect(read(...whole, ...back('full', true), ...whole)).toMatchObject(stands);
    });

    it('the phases are those that the rollbacks compensate', () => {
      for (const one of Object.values(rollbacks())) expect(one?.scope).toEqual(ROLLBACK_SCOPES[one?.kind ?? 'data']);
    });
  });
});
