import { expect, it } from 'vitest';
import type { JournalEvent } from '../rollout/journal-event.ts';
import { buildStagingReport } from './staging-report.ts';
import { stagingPage } from './staging-page.ts';

let events = 0;
function judged(claim: string, status: 'pass' | 'fail', summary: string): JournalEvent {
  return {
    id: `e${++events}`,
    at: new Date(events * 1000).toISOString(),
    kind: 'check.verdict',
    phase: 'staging',
    subject: claim,
    data: {
      title: `Title of ${claim}`,
      proves: [claim],
      ms: 1500,
      verdict: { status, summary, measured: { n: 1 }, expected: { n: 2 }, evidence: ['staging/picture.png'] },
    },
  } as unknown as JournalEvent;
}

it('a promise is proven by its latest verdict alone, and one that nobody measured is not', () => {
  const report = buildStagingReport('r', [
    judged('staging.worker.auth', 'pass', 'refused all'),
    judged('staging.worker.quotas', 'pass', 'exact'),
    judged('staging.worker.quotas', 'fail', 'one too many'),
  ]);
  expect(report.proven).toBe(1);
  expect(report.lines).toHaveLength(15);
  expect(report.validation.worker).toEqual({ endpoints: false, auth: true, rateLimiting: false, quotas: false });
  expect(report.lines.find((line) => line.claim === 'worker.quotas')?.verdict?.summary).toBe('one too many');
  expect(report.lines.find((line) => line.claim === 'r2.uploads')).toMatchObject({ proven: false, verdict: null });
});

it('the page says it in words, shows the evidence, and lets nothing of a vendor’s text become markup', () => {
  const report = buildStagingReport('r', [judged('staging.worker.auth', 'fail', '<script>alert(1)</script>')]);
  const page = stagingPage(report);
  expect(page).toContain('0 of 15 proven');
  expect(page).toContain('✘ fail');
  expect(page).toContain('not measured');
  expect(page).toContain('src="evidence/staging/picture.png"');
  expect(page).not.toContain('<script>');
});
