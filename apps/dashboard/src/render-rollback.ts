import { commandToCopy, element, patch } from './element.ts';
import type { RolloutView, UndoView } from './rollout-view.ts';
import { duration } from './words.ts';

const UNDOING = { running: ['◐', 'undoing'], undone: ['✔', 'undone'], failed: ['✘', 'not undone'] } as const;

function renderUndo(undo: UndoView): HTMLElement {
  const [mark, word] = UNDOING[undo.state];
  return element(
    'li',
    { class: { running: 'running', undone: 'passed', failed: 'failed' }[undo.state] },
    element('span', { class: 'mark', 'aria-hidden': 'true' }, mark),
    element(
      'div',
      {},
      element('span', { class: 'item-title' }, undo.title),
      element('span', { class: 'state' }, ` ${word}${undo.ms === null ? '' : `, ${duration(undo.ms)}`}`),
      ...(undo.error === '' ? [] : [element('p', { class: 'quiet' }, undo.error)]),
    ),
  );
}

/** What did not work, and what a person must do about it. */
function renderIncomplete(view: RolloutView): HTMLElement[] {
  const failed = view.undoing.filter(({ state }) => state === 'failed');
  if (failed.length === 0 && view.rollback?.complete !== false) return [];
  const byHand = failed.map((undo) =>
    element(
      'li',
      {},
      element('p', { class: 'item-title' }, undo.title),
      element('p', {}, undo.error),
      commandToCopy(undo.byHand, `by-hand-${undo.phase ?? ''}-${undo.id ?? ''}`),
    ),
  );
  return [
    element(
      'div',
      { class: 'incomplete', role: 'alert' },
      element('h2', {}, '✘ Rollback incomplete: a person is needed'),
      element(
        'p',
        {},
        failed.length === 0
          ? 'The rollback ended without being proven complete; the journal says how far it came.'
          : 'It was tried again and again, and would not work. The others went on. Do this by hand:',
      ),
      element('ol', {}, ...byHand),
    ),
  ];
}

function renderProgress(view: RolloutView): HTMLElement[] {
  const { rollback, undoing, operator } = view;
  if (rollback === null && undoing.length === 0) return [];
  const undone = undoing.filter(({ state }) => state === 'undone').length;
  const going = rollback === null ? operator.over === null : rollback.complete === null;
  const by = operator.aborted === null ? (rollback === null ? '' : ' by itself') : `, ${operator.aborted.as} aborted`;
  const facts: HTMLElement[] = [];
  if (rollback !== null) {
    const recovered = rollback.recoveredMs === null ? 'not measured yet' : `after ${duration(rollback.recoveredMs)}`;
    facts.push(
      element('p', {}, `${rollback.measure}${rollback.measured === 'null' ? '' : `: ${rollback.measured}`}`),
      element(
        'p',
        {},
        `noticed after ${duration(rollback.detectedMs)} · served again: ${recovered} · uploads lost: ${rollback.lostUploads ?? 'being counted'} · deletes lost: ${rollback.lostDeletes ?? 'being counted'}`,
      ),
    );
  }
  return [
    element(
      'div',
      { class: 'panel trouble' },
      element('h2', {}, `↺ ${going ? 'Rolling back' : 'Rolled back'}${by}`),
      ...facts,
      element('p', { class: 'quiet' }, `${undone} of ${undoing.length} undone, in this order:`),
      element('ul', { class: 'items' }, ...undoing.map(renderUndo)),
    ),
  ];
}

/** The rollback: what a person must do by hand first, then each step as it is undone. */
export function renderRollback(target: HTMLElement, view: RolloutView): void {
  const parts = [...renderIncomplete(view), ...renderProgress(view)];
  target.hidden = parts.length === 0;
  patch(target, ...parts);
}
