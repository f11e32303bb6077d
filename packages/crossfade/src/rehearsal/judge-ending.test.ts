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
const ended = {
  outcome: 'rolled-back' as const,
  reason: 'error rate at the edge over 4 s',
  traffic: { ...traffic, reasons: [planted] },
  rollback: { lostUploads: 0 },
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
    ['a lost upload', { rollback: { lostUploads: 1 } }, 3, /uploads lost: 1/],
    ['uncounted uploads', { rollback: null }, 3, /uploads lost: unknown/],
  ])('differs by %s', (_name, change, exitCode, difference) => {
    expect(judgeEnding({ expected }, { ...ended, ...change }, exitCode)).toEqual([expect.stringMatching(difference)]);
  });

  it('differs when a fault reached an audience that it must not reach', () => {
    const quiet = { ...expected, audienceFails: false };
    expect(judgeEnding({ expected: quiet }, ended, 3)).toEqual(['planted faults reached the audience']);
  });
});
