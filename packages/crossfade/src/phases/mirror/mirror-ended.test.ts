import { describe, expect, it } from 'vitest';
import { memoryJournal } from '../../control-room/fixtures/memory-journal.ts';
import type { JournalEntry } from '../../rollout/journal-event.ts';
import type { PhaseId } from '../../rollout/plan.ts';
import { mirrorEnded, mirrorRested } from './mirror-ended.ts';

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

it('what the mirror has done in a rollback is what it told last since that was decided', async () => {
  const journal = memoryJournal();
  const data = { copied: 0, deleted: 0, kept: 0, unproven: 3, lagSeconds: 0 };
  await journal.append({ kind: 'mirror.rested', data }, { phase: null });
  const trouble = { measured: null, expected: null, troubleSince: 't', detectedMs: 1 };
  await journal.append({ kind: 'rollback.decided', data: { kind: 'full', measure: 'm', ...trouble } }, { phase: null });
  expect(mirrorRested(journal.events)).toBeNull();
  for (const copied of [1, 2])
    await journal.append({ kind: 'mirror.rested', data: { ...data, copied } }, { phase: null });
  expect(mirrorRested(journal.events)).toMatchObject({ copied: 2 });
});

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
