import { describe, expect, it } from 'vitest';
import type { JournalEntry } from '../../rollout/journal-event.ts';
import type { PhaseId } from '../../rollout/plan.ts';
import { createWebhook } from '../../providers/notify/webhook.ts';
import { buildReport } from '../../report/build-report.ts';
import { startAnnouncer } from './announcements.ts';
import { useTeam } from './fixtures/team-at-work.ts';

const team = useTeam();

const STARTED: JournalEntry = {
  kind: 'rollout.started',
  data: { scenario: null, configHash: 'hash', scale: null, plan: [] },
};
const gate = (status: 'open' | 'closed'): JournalEntry => ({ kind: 'gate.decided', data: { status, failed: [] } });
const passed: JournalEntry = { kind: 'phase.finished', data: { status: 'passed', seconds: 1, reason: null } };
const decided = (kind: 'full' | 'data'): JournalEntry => ({
  kind: 'rollback.decided',
  data: { kind, measure: 'errors', measured: 1, expected: 0, troubleSince: new Date().toISOString(), detectedMs: 1 },
});
const UNKNOWN_LOSS = { lostUploads: null, lostOverwrites: null, lostDeletes: null, sinceSwitch: null };
const undone = (kind: 'full' | 'data', complete: boolean): JournalEntry => ({
  kind: 'rollback.finished',
  data: { kind, complete, tookMs: 1, budgetMs: 1, recoveredMs: null, ...UNKNOWN_LOSS },
});

const append = async (entry: JournalEntry, phase: PhaseId | null = null): Promise<void> => {
  await team().journal.append(entry, { phase });
};
const start = (since = 0) => startAnnouncer(team().context, team().journal, since);
const titles = async (): Promise<string[]> =>
  (await team().arrived('announcements')).map(({ message }) => message.title.replace(' of audafact', ''));
const sent = async () =>
  (await team().journal.read()).flatMap((event) => (event.kind === 'message.sent' ? [event.data] : []));

describe('the team and the public', () => {
  it('are told at the moment: when the cutover begins, when it is done, and when the watch is over', async () => {
    const announcer = start();
    await append(gate('open'), 'cutover.worker');
    await append(passed, 'cutover.worker');
    await append(passed, 'cutover.monitor');
    await append(passed, 'watch');
    await announcer.settled();
    expect(await titles()).toEqual(['cutover-started', 'cutover-done', 'all-clear']);
  });

  it('are told of a rollback and of its end, with the reason', async () => {
    await team().write(
      'communications/rollback-done.md',
      'channel: announcements\ntitle: Back\n\n{{reason}}, {{app}}.\n',
    );
    const announcer = start();
    await append(decided('full'));
    await append(undone('full', true));
    await announcer.settled();
    expect(await titles()).toEqual(['rollback-started', 'Back']);
    expect((await team().arrived('announcements'))[1]).toMatchObject({ message: { text: 'errors, audafact.' } });
  });

  it('hear nothing of a cutover that its gate refused, of restored data, nor that an incomplete rollback is done', async () => {
    const announcer = start();
    await append(gate('closed'), 'cutover.worker');
    await append(decided('data'));
    await append(undone('data', true));
    await append(undone('full', false));
    await announcer.settled();
    expect(await titles()).toEqual([]);
  });

  it('are told once: a second life of the run tells only what the first did not get to', async () => {
    const first = start();
    await append(gate('open'), 'cutover.worker');
    await first.settled();
    first.stop();
    // The process dies just after this.
    await append(decided('full'));
    await start().settled();
    await start().settled();
    expect(await titles()).toEqual(['cutover-started', 'rollback-started']);
  });

  it('are not told again by the next run what an earlier one was about', async () => {
    await append(gate('open'), 'cutover.worker');
    const since = (await team().journal.read()).at(-1)?.seq;
    await start(since).settled();
    expect(await titles()).toEqual([]);
  });

  it('keep nobody waiting: a channel that refuses is noted, shown in the report, and the next message goes out', async () => {
    await append(STARTED);
    const good = createWebhook('announcements', `${team().url}/sink/announcements`, undefined);
    team().channels.set('announcements', {
      name: 'announcements',
      send: (message) =>
        message.title.startsWith('cutover-started') ? Promise.reject(new Error('no such room')) : good.send(message),
    });
    const announcer = start();
    await append(gate('open'), 'cutover.worker');
    await append(passed, 'cutover.monitor');
    await announcer.settled();
    expect(await titles()).toEqual(['cutover-done']);
    expect(buildReport(await team().journal.read()).announcements).toMatchObject([
      { message: 'cutover-started', channel: 'announcements', refused: 'no such room' },
      { message: 'cutover-done', channel: 'announcements', refused: null },
    ]);
  });

  it('are not told by a plan that cannot be read, which is noted by its name', async () => {
    await team().write('communications/cutover-started.md', 'nothing of use');
    const announcer = start();
    await append(gate('open'), 'cutover.worker');
    await announcer.settled();
    expect(await sent()).toMatchObject([{ message: 'cutover-started', refused: expect.stringContaining('expected') }]);
  });
});
