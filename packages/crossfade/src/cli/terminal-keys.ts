import { readFileSync } from 'node:fs';
import { operatorStateOf, refusalOf, type Decide, type Decision } from '../control-room/operator-state.ts';
import { errorText } from '../rollout/error-text.ts';
import type { Journal } from '../rollout/journal.ts';

const HELP = 'keys: h hold before the next phase, g go on, a abort (asks first), ? help, Ctrl-C interrupt';
const DECISION_OF: Readonly<Record<string, Decision>> = { h: 'hold', g: 'go', a: 'abort' };
const CTRL_C = '\u0003';

/** The part of `process.stdin` that is needed. */
export interface KeyInput {
  readonly isTTY?: boolean | undefined;
  setRawMode?(on: boolean): unknown;
  on(event: 'data', listener: (chunk: Buffer | string) => void): unknown;
  off(event: 'data', listener: (chunk: Buffer | string) => void): unknown;
  resume(): unknown;
  pause(): unknown;
}

export interface KeysOptions {
  readonly input: KeyInput;
  readonly output: { readonly isTTY?: boolean | undefined };
  readonly journal: Journal;
  readonly decide: Decide;
  /** Who is at the keyboard. */
  readonly as: string;
  /** `ask` shows a question in the status line until it is given `null`. */
  readonly view: { say(line: string): void; ask(question: string | null): void };
  /** What Ctrl-C does: with single keys read, the terminal itself sends no signal. */
  interrupt(): void;
}

/**
 * Keys while a rollout runs: each writes a decision to the journal. Only where a person sits at a terminal; the
 * answer gives the terminal back as it was, and may be called twice.
 */
export function startTerminalKeys(options: KeysOptions): () => void {
  const { input, output, journal, view } = options;
  const people = input.isTTY === true && output.isTTY === true && process.env['CI'] === undefined;
  if (!people || input.setRawMode === undefined || !inForeground()) return () => {};
  let asking = false;
  let ended = false;
  let earlier = Promise.resolve();

  async function decide(decision: Decision): Promise<void> {
    const state = operatorStateOf(await journal.read());
    const refusal = refusalOf(state, decision);
    if (refusal !== null) return view.say(`not now: ${refusal}`);
    if (decision === 'abort' && !asking) {
      const steps = state.taken.toReversed().map(({ title }) => title);
      const what = steps.length === 0 ? 'nothing has to be undone' : `undoes, in this order: ${steps.join(', ')}`;
      asking = true;
      return view.ask(`Abort? y/n · ${what}`);
    }
    await options.decide(decision, { as: options.as, note: '' });
  }

  async function press(key: string): Promise<void> {
    if (ended) return;
    if (asking) {
      view.ask(null);
      if (key === 'y') await decide('abort');
      else view.say('not aborted');
      asking = false;
      return;
    }
    const decision = DECISION_OF[key];
    if (decision !== undefined) await decide(decision);
    else if (key === '?') view.say(HELP);
  }

  function onData(chunk: Buffer | string): void {
    const text = String(chunk);
    if (text.includes(CTRL_C)) {
      end();
      return options.interrupt();
    }
    // Several at once are an arrow key or something pasted: nobody's decision.
    const key = text.length === 1 ? text.toLowerCase() : '';
    earlier = earlier
      .then(() => press(key))
      .catch((error: unknown) => {
        asking = false;
        view.say(`not written: ${errorText(error)}`);
      });
  }

  function end(): void {
    if (ended) return;
    ended = true;
    if (asking) view.ask(null);
    input.off('data', onData);
    input.setRawMode?.(false);
    input.pause();
  }

  input.setRawMode(true);
  input.on('data', onData);
  input.resume();
  view.say(HELP);
  return end;
}

/** A job in the background that touches its terminal is stopped by the system, and the rollout with it. */
function inForeground(): boolean {
  if (process.platform !== 'linux') return true;
  const stat = readFileSync('/proc/self/stat', 'utf8');
  // After the name in parentheses: state, parent, process group, session, terminal, the terminal's foreground group.
  const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return foreground === '-1' || group === foreground;
}
