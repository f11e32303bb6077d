import {
  DECISIONS,
  refusalOf,
  type Decision,
  type Signature,
} from '../../../packages/crossfade/src/control-room/operator-state.ts';
import { element, patch, place, placeOf, setText } from './element.ts';
import { barOf } from './operator-bar.ts';
import { openSession, send } from './room-api.ts';
import type { RolloutView } from './rollout-view.ts';

const NAME_KEY = 'crossfade.operator';
const WRITTEN: Readonly<Record<Decision, string>> = {
  hold: 'Written: it will hold before the next phase',
  go: 'Written: it may go on',
  abort: 'Written: it is to abort',
};

/** A browser may keep nothing for this page; then the name is typed again. */
function remembered(): string {
  try {
    return localStorage.getItem(NAME_KEY) ?? '';
  } catch {
    return '';
  }
}
function remember(name: string): void {
  try {
    localStorage.setItem(NAME_KEY, name);
  } catch {
    // As above.
  }
}

/** The bar: the state in words, and the buttons of who may decide. The answer draws it for a view. */
export function createOperatorControls(view: RolloutView): (connected: boolean) => void {
  const name = placeOf('as', HTMLInputElement);
  const note = placeOf('note', HTMLInputElement);
  const gate = placeOf('gate', HTMLInputElement);
  const question = placeOf('question', HTMLDialogElement);
  const buttons = new Map(DECISIONS.map((decision) => [decision, placeOf(decision, HTMLButtonElement)]));
  const said = place('said');
  name.value = remembered();

  /** Who is at the keyboard; asks for the name, and answers `null`, when there is none. */
  function signature(): Signature | null {
    const as = name.value.trim();
    name.setAttribute('aria-invalid', String(as === ''));
    if (as !== '') return { as, note: note.value.trim() };
    setText(said, 'Say who you are first: it is kept in the journal');
    name.focus();
    return null;
  }
  async function say(what: Parameters<typeof send>[0], by: Signature, written: string): Promise<void> {
    remember(by.as);
    setText(said, 'Writing …');
    try {
      await send(what, by);
      note.value = '';
      setText(said, written);
    } catch (error) {
      setText(said, `Not written: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  function ask(decision: Decision): void {
    const refusal = refusalOf(view.operator, decision);
    if (refusal !== null) return setText(said, `Not now: ${refusal}`);
    const by = signature();
    if (by === null) return;
    if (decision !== 'abort') return void say({ path: 'decisions', decision }, by, WRITTEN[decision]);
    drawQuestion();
    question.showModal();
  }

  /** The question names what an abort would undo, and goes on naming it while it is open. */
  function drawQuestion(): void {
    const steps = view.operator.taken.toReversed();
    setText(
      place('question-what'),
      steps.length === 0
        ? 'Nothing was done yet that would have to be undone.'
        : steps.length === 1
          ? 'This step is undone:'
          : `These ${steps.length} steps are undone, the last first:`,
    );
    const title = (id: string): string => view.phases.find((phase) => phase.id === id)?.title ?? id;
    patch(
      place('question-steps'),
      ...steps.map((step) =>
        element('li', {}, step.title, element('span', { class: 'quiet' }, ` ${title(step.phase)}`)),
      ),
    );
  }

  for (const [decision, button] of buttons) button.addEventListener('click', () => ask(decision));
  place('question-no').addEventListener('click', () => question.close());
  place('question-yes').addEventListener('click', () => {
    const by = signature();
    question.close();
    if (by !== null) void say({ path: 'decisions', decision: 'abort' }, by, WRITTEN.abort);
  });
  place('decide').addEventListener('submit', (event) => event.preventDefault());
  place('sign').addEventListener('submit', (event) => {
    event.preventDefault();
    const by = signature();
    if (by !== null)
      void say({ path: 'sign-offs', gate: gate.value.trim() }, by, `Written: ${gate.value} is signed off`);
  });
  let may = { decide: false, sign: false };
  /** What the name and the note are for. */
  const showForms = (): void => {
    const decide = may.decide && view.operator.over === null;
    place('buttons').hidden = !decide;
    place('decide').hidden = !decide && !may.sign;
    place('sign').hidden = !may.sign;
    if (may.sign) place('sign-offs').hidden = false;
  };
  openSession().then(
    (session) => {
      may = session;
      showForms();
    },
    (error: unknown) => setText(said, `Nothing can be decided here: ${String(error)}`),
  );

  return (connected) => {
    const bar = barOf(view, connected);
    place('bar').dataset['tone'] = bar.tone;
    setText(place('state-mark'), bar.mark);
    setText(place('state'), bar.words);
    setText(place('state-more'), bar.more);
    document.title = `${bar.mark} ${bar.words} · Crossfade`;
    for (const [decision, button] of buttons) {
      // Not `disabled`: who stands on the button with the keyboard would fall off, and nobody would hear why.
      const refusal = refusalOf(view.operator, decision);
      button.setAttribute('aria-disabled', String(refusal !== null));
      button.title = refusal ?? '';
    }
    showForms();
    if (question.open) drawQuestion();
  };
}
