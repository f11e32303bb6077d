import type { RolloutView } from './rollout-view.ts';
import { clockTime } from './words.ts';

export interface Bar {
  /** What colour stands for; the mark and the words say the same without it. */
  readonly tone: 'waiting' | 'running' | 'holding' | 'undoing' | 'good' | 'bad';
  readonly mark: string;
  readonly words: string;
  readonly more: string;
}

const OUTCOMES = {
  completed: { tone: 'good', mark: '✔', word: 'completed' },
  'rolled-back': { tone: 'undoing', mark: '↺', word: 'rolled back' },
  failed: { tone: 'bad', mark: '✘', word: 'failed' },
} as const;

const begun = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
const because = (note: string): string => (note === '' ? '' : `: “${note}”`);

/** The state of the rollout in words. */
export function barOf(view: RolloutView, connected: boolean): Bar {
  const bar = barWhileConnected(view);
  if (connected || view.operator.over !== null) return bar;
  return {
    tone: 'bad',
    mark: '✘',
    words: 'Connection lost, trying again',
    more: view.operator.started ? `Last known: ${bar.words}` : '',
  };
}

function barWhileConnected(view: RolloutView): Bar {
  const { plan, started, over, running, held, holdAsked, aborted, rollingBack, notUndone } = view.operator;
  const title = (id: string | null): string => plan.find((phase) => phase.id === id)?.title ?? 'its first phase';
  if (notUndone.length > 0 || view.rollback?.complete === false)
    return {
      tone: 'bad',
      mark: '✘',
      words: 'Rollback incomplete: a person is needed',
      more: `${notUndone.length === 0 ? 'See the journal' : `Not undone: ${notUndone.join(', ')}`}. What to do by hand is below.`,
    };
  if (over !== null) {
    const { tone, mark, word } = OUTCOMES[over.outcome];
    return { tone, mark, words: begun(`${over.what} ${word}`), more: over.reason === null ? '' : begun(over.reason) };
  }
  if (!started) return { tone: 'waiting', mark: '○', words: 'Waiting for the rollout', more: '' };
  const undoing = view.undoing.length;
  const undone = undoing === 0 ? '' : `${view.undoing.filter(({ state }) => state === 'undone').length} steps undone. `;
  const by = aborted === null ? '' : `Aborted by ${aborted.as} at ${clockTime(aborted.at)}${because(aborted.note)}. `;
  if (rollingBack)
    return {
      tone: 'undoing',
      mark: '↺',
      words: 'Rolling back',
      more: `${by}${undone}${begun(view.rollback?.measure ?? '')}`,
    };
  if (aborted !== null)
    return {
      tone: 'undoing',
      mark: '↺',
      words: 'Aborting',
      more: `${by}${undone}What was done is undone, the last first.`,
    };
  const phase = view.phases.find(({ id }) => id === running);
  if (undoing > 0) return { tone: 'undoing', mark: '↺', words: `Undoing ${title(running)}`, more: undone };
  if (phase?.state === 'failed')
    return { tone: 'bad', mark: '✘', words: `Failed: ${phase.title}`, more: begun(phase.reason ?? '') };
  if (held !== null)
    return {
      tone: 'holding',
      mark: '‖',
      words: `Holding before ${held.title} since ${clockTime(held.at)}`,
      more: `Asked by ${held.by}${because(holdAsked?.note ?? '')}. It stands still until somebody lets it go on or aborts.`,
    };
  if (holdAsked === null) return { tone: 'running', mark: '◐', words: `Running: ${title(running)}`, more: '' };
  const next = plan[plan.findIndex((phase) => phase.id === running) + 1]?.title ?? 'the next phase';
  return {
    tone: 'running',
    mark: '◐',
    words: `Running: ${title(running)}, then holding`,
    more: `Will hold before ${next}: asked by ${holdAsked.as} at ${clockTime(holdAsked.at)}${because(holdAsked.note)}.`,
  };
}
