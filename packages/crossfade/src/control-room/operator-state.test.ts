import { describe, expect, it } from 'vitest';
import type { JournalEntry } from '../rollout/journal-event.ts';
import { memoryJournal } from './fixtures/memory-journal.ts';
import { stories, tell, type Line } from './fixtures/stories.ts';
import { operatorStateOf, refusalOf, type Decision } from './operator-state.ts';

const decided = (decision: Decision): JournalEntry => ({
  kind: 'operator.decided',
  data: { decision, as: 'Ada', note: '' },
});
async function stateAfter(story: readonly Line[], then: readonly Line[] = []) {
  const journal = memoryJournal();
  await tell(journal, [...story, ...then]);
  return operatorStateOf(journal.events);
}

describe('what an abort would undo', () => {
  it('is each step whose state before was kept, oldest first, less what is undone already', async () => {
    const titles = ({ taken }: { taken: { title: string }[] }): string[] => taken.map(({ title }) => title);
    expect(titles(await stateAfter(stories.running))).toEqual(['Worker takes the traffic']);
    const both = await stateAfter(stories.rollingBack);
    expect(titles(both)).toEqual(['Worker takes the traffic', 'DNS points to the edge']);
    const undone: JournalEntry = { kind: 'compensation.finished', data: { title: 'x', ms: 1, result: null } };
    const journal = memoryJournal();
    await tell(journal, [...stories.rollingBack, [undone, 'cutover.dns', 'cutover.dns.step']]);
    expect(titles(operatorStateOf(journal.events))).toEqual(['Worker takes the traffic']);
  });
});

describe('a decision is refused', () => {
  const aborted = [[decided('abort')]] satisfies Line[];
  it.each([
    ['before anything began', [], [], 'abort', 'no rollout has begun yet'],
    ['when nothing is held', stories.running, [], 'go', 'nothing is held'],
    ['when somebody asked for a hold', stories.running, [[decided('hold')]], 'hold', 'Ada has asked for that already'],
    ['when it holds', stories.held, [], 'hold', 'it holds already, before Cutover 2 · DNS'],
    ['when it is aborted', stories.held, aborted, 'go', 'Ada has aborted already'],
    ['when it is rolled back', stories.rollingBack, [], 'abort', 'it is being rolled back already'],
    [
      'in the last phase, to hold',
      stories.running,
      [[{ kind: 'phase.started', data: { deadlineMs: 1 } }, 'cutover.dns']],
      'hold',
      'no phase comes after this one',
    ],
    [
      'when it is over',
      stories.running,
      [[{ kind: 'rollout.finished', data: { outcome: 'completed', reason: null } }]],
      'hold',
      'the rollout is over: completed',
    ],
  ] satisfies [string, readonly Line[], readonly Line[], Decision, string][])(
    '%s',
    async (_name, story, then, decision, why) => {
      expect(refusalOf(await stateAfter(story, then), decision)).toBe(why);
    },
  );

  it('not when it makes sense: hold and abort while it runs, go on and abort while it holds', async () => {
    const running = await stateAfter(stories.running);
    expect([refusalOf(running, 'hold'), refusalOf(running, 'abort')]).toEqual([null, null]);
    const held = await stateAfter(stories.held);
    expect([refusalOf(held, 'go'), refusalOf(held, 'abort')]).toEqual([null, null]);
  });

  it('not by what was decided for a command that came before', async () => {
    const begun: JournalEntry = { kind: 'run.started', data: { command: 'cutover', attempt: 2, operator: 'Ada' } };
    expect(refusalOf(await stateAfter(stories.held, [[decided('abort')], [begun]]), 'hold')).toBeNull();
  });
});
