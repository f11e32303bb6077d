import { describe, expect, it } from 'vitest';
import { memoryJournal } from '../../control-room/fixtures/memory-journal.ts';
import type { JournalEntry } from '../../rollout/journal-event.ts';
import type { RollbackKind } from '../../rollout/plan.ts';
import { switchTime } from './open-mirror.ts';

const switched = {
  entry: { kind: 'step.started', data: { title: 'Media host switched' } } as JournalEntry,
  subject: 'dns.switch',
};
const rolledBack = (kind: RollbackKind, complete = true) => ({
  entry: {
    kind: 'rollback.finished',
    data: {
      kind,
      complete,
      tookMs: 1,
      budgetMs: 2,
      recoveredMs: null,
      lostUploads: null,
      lostOverwrites: null,
      lostDeletes: null,
      sinceSwitch: null,
    },
  } as JournalEntry,
  subject: 'rollback',
});

/** Which of the events is the switch; `null` where production does not lead to the Worker. */
async function switchAmong(...told: readonly { entry: JournalEntry; subject: string }[]): Promise<number | null> {
  const { events, append } = memoryJournal();
  for (const { entry, subject } of told) await append(entry, { phase: 'cutover.dns', subject });
  // Told apart though they follow in the same millisecond.
  const history = events.map((event, index) => ({ ...event, at: new Date(index * 1000).toISOString() }));
  const at = await switchTime({ history: async () => history });
  return at === null ? null : at / 1000;
}

describe('the time of the switch', () => {
  it('is that of the last one', async () => {
    expect(await switchAmong()).toBeNull();
    expect(await switchAmong(switched)).toBe(0);
    expect(await switchAmong(switched, rolledBack('full'), switched)).toBe(2);
  });

  it.each(['dns', 'full'] as const)('is none once a rollback of the kind %s took it back', async (kind) => {
    expect(await switchAmong(switched, rolledBack(kind))).toBeNull();
    expect(await switchAmong(switched, rolledBack(kind, false))).toBe(0);
  });

  it.each(['immediate', 'data'] as const)(
    'stays after a rollback of the kind %s, which leaves DNS alone',
    async (kind) => {
      expect(await switchAmong(switched, rolledBack(kind))).toBe(0);
    },
  );
});
