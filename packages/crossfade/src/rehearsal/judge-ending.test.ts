import { describe, expect, it } from 'vitest';
import { judgeEnding } from './judge-ending.ts';
import type { Ending } from './scenario.ts';

const expected: Ending = {
  outcome: 'rolled-back',
  exitCode: 3,
  reason: /error rate/,
  staged: [/^planted: api-outage/],
  audienceFails: true,
};
const traffic = { requests: 1000, failed: 12 };
const planted = { reason: 'GET media 500 edge', count: 12, planted: true };
const rollback = { lostUploads: 0, lostDeletes: 0, sinceSwitch: null };
const ended = {
  outcome: 'rolled-back' as const,
  reason: 'error rate at the edge over 4 s',
  traffic: { ...traffic, reasons: [planted] },
  rollback,
  notes: ['planted: api-outage, 503, 4 s'],
};

describe('the ending of a scenario', () => {
  it('is as expected when outcome, reason, stage and audience are', () => {
    expect(judgeEnding({ expected }, ended, 3)).toEqual([]);
  });

  it.each([
    ['another outcome', { outcome: 'completed' as const }, 3, /completed, expected rolled-back/],
    ['another exit code', {}, 5, /exit code 5, expected 3/],
    ['another reason', { reason: 'no data' }, 3, /the reason is "no data"/],
    ['nothing on stage', { notes: ['aborted'] }, 3, /did not happen on stage/],
    ['no audience', { traffic: { requests: 0, failed: 0, reasons: [] } }, 3, /nobody/],
    ['a failure that nobody planted', { traffic: { requests: 9, failed: 13, reasons: [planted] } }, 3, /^1 requests/],
    [
      'a failure that nobody planted, with its reason',
      { traffic: { requests: 9, failed: 13, reasons: [planted, { reason: 'HTTP 404', count: 1, planted: false }] } },
      3,
      /^1 requests failed that nobody planted: HTTP 404 \(1\)$/,
    ],
    ['a lost upload', { rollback: { ...rollback, lostUploads: 1 } }, 3, /uploads lost: 1/],
    ['uncounted uploads', { rollback: { ...rollback, lostUploads: null } }, 3, /uploads lost: unknown/],
    ['a lost delete', { rollback: { ...rollback, lostDeletes: 1 } }, 3, /deletes lost: 1/],
    ['uncounted deletes', { rollback: { ...rollback, lostDeletes: null } }, 3, /deletes lost: unknown/],
  ])('differs by %s', (_name, change, exitCode, difference) => {
    expect(judgeEnding({ expected }, { ...ended, ...change }, exitCode)).toEqual([expect.stringMatching(difference)]);
  });

  it('differs when less was at stake than the story tells of', () => {
    const late = { ...expected, sinceSwitch: { uploads: 500, overwrites: 100, deletes: 50 } };
    const told = (uploads: number, overwrites: number, deletes: number) =>
      judgeEnding(
        { expected: late },
        { ...ended, rollback: { ...rollback, sinceSwitch: { uploads, overwrites, deletes } } },
        3,
      );
    expect(told(500, 100, 50)).toEqual([]);
    expect(told(499, 100, 50)).toEqual([expect.stringMatching(/^499 uploads .* at least 500/)]);
    expect(told(500, 99, 49)).toEqual([expect.stringMatching(/^99 overwrites/), expect.stringMatching(/^49 deletes/)]);
    expect(judgeEnding({ expected: late }, ended, 3)).toHaveLength(3);
  });

  it('differs when a fault reached an audience that it must not reach', () => {
    const quiet = { ...expected, audienceFails: false };
    expect(judgeEnding({ expected: quiet }, ended, 3)).toEqual(['planted faults reached the audience']);
  });
});
