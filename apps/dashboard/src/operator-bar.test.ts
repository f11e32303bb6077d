import { expect, it } from 'vitest';
import { memoryJournal } from '../../../packages/crossfade/src/control-room/fixtures/memory-journal.ts';
import { stories, tell } from '../../../packages/crossfade/src/control-room/fixtures/stories.ts';
import type { JournalEntry } from '../../../packages/crossfade/src/rollout/journal-event.ts';
import { barOf } from './operator-bar.ts';
import { applyEvent, emptyView } from './rollout-view.ts';

const decided = (decision: 'hold' | 'go' | 'abort', note = ''): JournalEntry => ({
  kind: 'operator.decided',
  data: { decision, as: 'Ada', note },
});
const finished = (outcome: 'completed' | 'rolled-back' | 'failed', reason: string | null = null): JournalEntry => ({
  kind: 'rollout.finished',
  data: { outcome, reason },
});

/** The bar after a story and what came then. */
async function bar(story: Parameters<typeof tell>[1], then: readonly JournalEntry[] = [], connected = true) {
  const journal = memoryJournal();
  await tell(journal, story);
  for (const entry of then) await journal.append(entry, { phase: null });
  const view = emptyView();
  for (const event of journal.events) applyEvent(view, event);
  return barOf(view, connected);
}

it.each([
  ['nothing yet', [], [], 'waiting', 'Waiting for the rollout'],
  ['a phase', stories.running, [], 'running', 'Running: Cutover 1 · Worker'],
  ['a hold to come', stories.running, [decided('hold')], 'running', 'Running: Cutover 1 · Worker, then holding'],
  ['a hold taken back', stories.running, [decided('hold'), decided('go')], 'running', 'Running: Cutover 1 · Worker'],
  ['a hold let go', stories.held, [decided('go')], 'running', 'Running: Cutover 1 · Worker'],
  ['an abort', stories.held, [decided('abort')], 'undoing', 'Aborting'],
  ['a rollback', stories.rollingBack, [], 'undoing', 'Rolling back'],
  ['what would not be undone', stories.incomplete, [], 'bad', 'Rollback incomplete: a person is needed'],
  ['its end, too', stories.incomplete, [finished('failed')], 'bad', 'Rollback incomplete: a person is needed'],
  ['a closed gate', stories.closedGate, [], 'bad', 'Failed: Cutover 2 · DNS'],
  ['completion', stories.running, [finished('completed')], 'good', 'The rollout completed'],
  ['a rollback that is over', stories.rollingBack, [finished('rolled-back')], 'undoing', 'The rollout rolled back'],
  ['failure', stories.running, [finished('failed', 'the gate')], 'bad', 'The rollout failed'],
] as const)('the bar says in words and with a mark: %s', async (_name, story, then, tone, words) => {
  const { mark, ...said } = await bar(story, then);
  expect(said).toMatchObject({ tone, words });
  expect(mark).toMatch(/^.$/u);
});

it('says since when it holds, who asked for it and why', async () => {
  const { words, more } = await bar(stories.held);
  expect(words).toMatch(/^Holding before Cutover 2 · DNS since \d\d:\d\d:\d\d$/);
  expect(more).toContain('Asked by Ada Lovelace: “DNS is being edited”');
});

it('says before what a hold will take place, and who aborted', async () => {
  expect((await bar(stories.running, [decided('hold')])).more).toMatch(
    /^Will hold before Cutover 2 · DNS: asked by Ada/,
  );
  expect((await bar(stories.running, [decided('abort', 'too slow')])).more).toMatch(
    /^Aborted by Ada at .*: “too slow”/,
  );
});

it('does not claim to know what goes on when the connection is lost; an end stays an end', async () => {
  expect(await bar(stories.running, [], false)).toMatchObject({
    tone: 'bad',
    words: 'Connection lost, trying again',
    more: 'Last known: Running: Cutover 1 · Worker',
  });
  expect((await bar(stories.running, [finished('completed')], false)).words).toBe('The rollout completed');
});
