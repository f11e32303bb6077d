import { stripVTControlCharacters } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { memoryJournal } from '../control-room/fixtures/memory-journal.ts';
import { stories, tell, type Line } from '../control-room/fixtures/stories.ts';
import { createTerminalView } from './terminal-view.ts';

beforeEach(() => void vi.stubEnv('CI', undefined));
afterEach(() => void vi.unstubAllEnvs());

const CLEARED = '\u001b[2K';

/** What a person reads: without colours; a line that was cleared is gone. */
function read(written: readonly string[]): string[] {
  const lines = written.join('').split('\n');
  return lines.map((line) => stripVTControlCharacters(line.split(CLEARED).at(-1) ?? ''));
}

async function watch(story: readonly Line[], { isTTY = true, columns = 100 } = {}) {
  const written: string[] = [];
  const view = createTerminalView({ isTTY, columns, write: (text) => written.push(text) });
  const journal = memoryJournal();
  view.follow(journal, { name: 'audafact' }, new Map());
  await tell(journal, story);
  return { view, journal, written, lines: () => read(written) };
}

describe('the terminal', () => {
  it('says who decided what and why, and stands on what is held in its status line', async () => {
    const { lines } = await watch(stories.held);
    expect(lines()).toContain('  ☞ Ada Lovelace: hold before the next phase · DNS is being edited');
    expect(lines()).toContain('  ‖ holding before Cutover 2 · DNS, asked by Ada Lovelace');
    expect(lines().at(-1)).toBe('  audafact: HOLDING before Cutover 2 · DNS · ');
  });

  it('shows a rollback step by step, and what a person must do by hand', async () => {
    const { lines } = await watch(stories.incomplete);
    expect(lines()).toContain('  ↺ undoing DNS points to the edge');
    expect(lines()).toContain('  ✘ not undone DNS points to the edge: Cloudflare answered 500 four times');
    expect(lines().join(' ')).toContain('by hand: curl -X PATCH');
    expect(lines().at(-1)).toBe('  audafact: rolling back · ');
  });

  it('keeps a question in one line while events come, and the status line comes back after it', async () => {
    const { view, journal, lines } = await watch(stories.running, { columns: 20 });
    view.ask('Abort? y/n · undoes, in this order: Worker');
    await tell(journal, [[{ kind: 'note', data: { text: 'seen' } }]]);
    expect(lines().slice(-2)).toEqual(['  seen', '  Abort? y/n · undo']);
    view.ask(null);
    expect(lines().at(-1)).toBe('  audafact: ');
  });

  it('writes no status line, no question and no control sequence where nobody sits at a terminal', async () => {
    const { view, written } = await watch(stories.held, { isTTY: false });
    view.ask('Abort?');
    for (const text of ['audafact:', 'Abort', CLEARED, '\r']) expect(written.join('')).not.toContain(text);
  });

  it('knows what was decided before a rollout was resumed', async () => {
    const journal = memoryJournal();
    await tell(journal, stories.held);
    const written: string[] = [];
    const view = createTerminalView({ isTTY: true, columns: 100, write: (text) => written.push(text) });
    view.follow(journal, { name: 'audafact' }, new Map(), journal.events);
    await tell(journal, [[{ kind: 'rollout.resumed', data: { pid: 1 } }]]);
    expect(read(written).at(-1)).toContain('HOLDING before Cutover 2 · DNS');
  });
});
