import { describe, expect, it } from 'vitest';
import { memoryJournal } from '../../control-room/fixtures/memory-journal.ts';
import type { JournalEntry } from '../../rollout/journal-event.ts';
import type { PhaseId } from '../../rollout/plan.ts';
import { mirrorEnded } from './mirror-ended.ts';

const passed: JournalEntry = { kind: 'phase.finished', data: { status: 'passed', seconds: 1, reason: null } };
const rested: JournalEntry = {
  kind: 'mirror.rested',
  data: { copied: 0, deleted: 0, kept: 0, unproven: 0, lagSeconds: 0 },
};

async function ended(...entries: (readonly [JournalEntry, PhaseId | null])[]): Promise<number | null> {
  const journal = memoryJournal();
  for (const [entry, phase] of entries) await journal.append(entry, { phase });
  const at = mirrorEnded(journal.events);
  return at === null ? null : journal.events.findIndex((one) => one.at === at);
}

describe('the mirror', () => {
  it('has not ended before it began, nor between the phases that it runs beside', async () => {
    expect(mirrorEnded([])).toBeNull();
    expect(await ended([passed, 'cutover.dns'], [passed, 'cutover.monitor'])).toBeNull();
  });

  it('has ended with the watch, and with a rollback', async () => {
    expect(await ended([passed, 'watch'], [passed, 'cleanup'])).not.toBeNull();
    expect(await ended([passed, 'cutover.dns'], [rested, null])).not.toBeNull();
  });

  it('runs again in a cutover after a rollback', async () => {
    expect(await ended([rested, null], [passed, 'cutover.dns'])).toBeNull();
  });
});
