import { expect, it } from 'vitest';
import { memoryJournal } from '../../control-room/fixtures/memory-journal.ts';
import { ALERTS, type AlertRule } from '../../monitor/trouble.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { watchPhase } from './watch-phase.ts';

const ALERT_CHECKS = new Set(['watch.noTrouble', 'watch.noCriticalAlert']);

/** What the watch's last checks say after this alert fired: what must pass, and what only fills the report. */
async function after(rule: AlertRule): Promise<Record<string, string>> {
  const journal = memoryJournal();
  const data = { rule, severity: ALERTS[rule], measured: null, expected: null, deliveredTo: [] };
  await journal.append({ kind: 'alert.fired', data }, { phase: 'watch', subject: rule });
  const context = { history: () => journal.read(), providers: { audience: null, r2: { production: null } } };
  const answers: Record<string, string> = {};
  for (const part of watchPhase({ plannedMs: 1, durationMs: 1 }).parts) {
    if (part.kind !== 'checks') continue;
    // These checks ask for nothing else.
    for (const check of part.checks.filter(({ id }) => ALERT_CHECKS.has(id)))
      answers[`${check.id}${part.mustPass ? ' must pass' : ''}`] = (
        await check.run(context as unknown as RolloutContext)
      ).status;
  }
  return answers;
}

it('a quota that many ran into leaves production where it is, and the claim of no critical issue unproven', async () => {
  expect(await after('quotaExceeded')).toMatchObject({
    'watch.noTrouble must pass': 'pass',
    'watch.noCriticalAlert': 'fail',
  });
});

it('an alert that rolls back, seen by an earlier life of the controller, does not let the watch pass', async () => {
  expect(await after('wrongBytes')).toMatchObject({ 'watch.noTrouble must pass': 'fail' });
});
