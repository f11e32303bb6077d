import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { memoryJournal } from '../control-room/fixtures/memory-journal.ts';
import { stories, tell, type Line } from '../control-room/fixtures/stories.ts';
import type { Decide } from '../control-room/operator-state.ts';
import { startTerminalKeys } from './terminal-keys.ts';

// A continuous integration has terminals that nobody sits at: there the keys stay off.
beforeEach(() => void vi.stubEnv('CI', undefined));
afterEach(() => void vi.unstubAllEnvs());

/** Somebody at a terminal beside a rollout; `terminal: false` is a pipe. */
async function sit(story: readonly Line[], { terminal = true, decide }: { terminal?: boolean; decide?: Decide } = {}) {
  const raw: boolean[] = [];
  const input = Object.assign(new PassThrough(), { isTTY: terminal, setRawMode: (on: boolean) => raw.push(on) });
  const journal = memoryJournal();
  await tell(journal, story);
  const lines: string[] = [];
  const questions: (string | null)[] = [];
  let interrupted = 0;
  const end = startTerminalKeys({
    input,
    output: { isTTY: terminal },
    journal,
    decide:
      decide ??
      (async (decision, by) =>
        (await journal.append({ kind: 'operator.decided', data: { decision, ...by } }, { phase: null })).id),
    as: 'ada',
    view: { say: (line) => lines.push(line), ask: (question) => questions.push(question) },
    interrupt: () => interrupted++,
  });
  const decisions = () =>
    journal.events.flatMap((event) => (event.kind === 'operator.decided' ? [event.data.decision] : []));
  return { input, raw, journal, lines, questions, end, decisions, interrupted: () => interrupted };
}

describe('keys at a terminal', () => {
  it('h holds and g goes on, in the name of who sits there', async () => {
    const { input, decisions, journal } = await sit(stories.running);
    input.write('h');
    await expect.poll(decisions).toEqual(['hold']);
    expect(journal.events.at(-1)?.data).toEqual({ decision: 'hold', as: 'ada', note: '' });
    input.write('G');
    await expect.poll(decisions).toEqual(['hold', 'go']);
  });

  it('a asks first, naming what is undone in reverse; only y aborts', async () => {
    const { input, questions, lines, decisions } = await sit(stories.rollingBack.slice(0, -4));
    const question = 'Abort? y/n · undoes, in this order: DNS points to the edge, Worker takes the traffic';
    for (const no of ['n', '\r', '\u001b[A', 'a']) {
      questions.length = 0;
      lines.length = 0;
      input.write('a');
      await expect.poll(() => questions).toEqual([question]);
      input.write(no);
      await expect.poll(() => lines).toEqual(['not aborted']);
      expect(questions).toEqual([question, null]);
    }
    expect(decisions()).toEqual([]);
    input.write('a');
    await expect.poll(() => questions).toHaveLength(3);
    input.write('y');
    await expect.poll(decisions).toEqual(['abort']);
    expect(questions.at(-1)).toBeNull();
  });

  it('what makes no sense now is said, and not written', async () => {
    const { input, lines, decisions } = await sit(stories.running);
    input.write('g');
    await expect.poll(() => lines.at(-1)).toBe('not now: nothing is held');
    expect(decisions()).toEqual([]);
  });

  it('what is pasted decides nothing, an arrow key neither; ? helps', async () => {
    const { input, lines, decisions, questions } = await sit(stories.running);
    for (const text of ['ay', '\u001b[A', 'hg']) {
      input.write(text);
      await expect.poll(() => input.readableLength).toBe(0);
    }
    input.write('?');
    await expect.poll(() => lines).toHaveLength(2);
    expect(lines[1]).toContain('h hold before the next phase');
    expect([decisions(), questions]).toEqual([[], []]);
  });

  it('Ctrl-C gives the terminal back and interrupts, also while it asks', async () => {
    const { input, raw, questions, interrupted } = await sit(stories.running);
    expect(raw).toEqual([true]);
    input.write('a');
    await expect.poll(() => questions).toHaveLength(1);
    input.write('\u0003');
    await expect.poll(interrupted).toBe(1);
    expect(raw).toEqual([true, false]);
    expect(questions.at(-1)).toBeNull();
  });

  it('the end gives the terminal back, once, and later keys do nothing', async () => {
    const { input, raw, end, decisions } = await sit(stories.running);
    end();
    end();
    expect(raw).toEqual([true, false]);
    expect(input.isPaused()).toBe(true);
    input.write('h');
    input.resume();
    await expect.poll(() => input.readableLength).toBe(0);
    expect(decisions()).toEqual([]);
  });

  it('a decision that the journal did not take is not claimed, and keys go on', async () => {
    const { input, lines } = await sit(stories.running, {
      decide: () => Promise.reject(new Error('the disk is full')),
    });
    input.write('h');
    await expect.poll(() => lines.at(-1)).toBe('not written: the disk is full');
    input.write('?');
    await expect.poll(() => lines.at(-1)).toContain('keys:');
  });

  it('there are none where nobody sits at a terminal', async () => {
    for (const start of [
      () => sit(stories.running, { terminal: false }),
      () => {
        vi.stubEnv('CI', 'true');
        return sit(stories.running);
      },
    ]) {
      const { input, raw, lines } = await start();
      expect([raw, lines, input.listenerCount('data')]).toEqual([[], [], 0]);
    }
  });
});
