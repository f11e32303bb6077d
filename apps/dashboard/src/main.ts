import type { JournalEvent } from '../../../packages/crossfade/src/rollout/journal-event.ts';
import './control-room.css';
import './people.css';
import { element, letCopy, place, setText } from './element.ts';
import { isByPerson, journalLine } from './journal-line.ts';
import { createOperatorControls } from './operator-controls.ts';
import { rememberChoices, renderFigures, renderPhases, renderTransfer } from './render.ts';
import { renderMirror } from './render-mirror.ts';
import { renderRollback } from './render-rollback.ts';
import { renderSignOffs } from './render-sign-offs.ts';
import { applyEvent, emptyView } from './rollout-view.ts';
import { createTrafficChart } from './traffic-chart.ts';
import { clockTime } from './words.ts';

const JOURNAL_LINES = 200;

const view = emptyView();
const chosen = new Map<string, boolean>();
const drawControls = createOperatorControls(view);
const drawTraffic = createTrafficChart(place('chart'));
rememberChoices(place('phases'), chosen);
letCopy();
// Until the first answer it is being opened, not lost.
let connected = true;
let waiting = false;

/** Draws at most once a frame, however many events came. */
function draw(): void {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    const scenario = view.scenario === null ? '' : ` · scenario ${view.scenario}`;
    setText(place('rollout'), view.rollout === '' ? 'Waiting for the rollout …' : `${view.rollout}${scenario}`);
    setText(place('scale'), view.scale === null ? '' : `Rehearsal, scaled: ${view.scale}`);
    drawControls(connected);
    renderFigures(place('figures'), view);
    renderTransfer(place('transfer'), view);
    renderMirror(place('mirror'), view);
    renderRollback(place('rollback'), view);
    renderPhases(place('phases'), view, chosen);
    renderSignOffs(view);
    drawTraffic(view.seconds);
  });
}

function note(event: JournalEvent): void {
  const line = journalLine(event);
  if (line === null) return;
  const time = element('time', { datetime: event.at, title: event.at }, clockTime(event.at));
  const item = element('li', isByPerson(event) ? { class: 'by-person' } : {}, time, ` ${event.id} ${line}`);
  const journal = place('journal');
  journal.prepend(item);
  while (journal.childElementCount > JOURNAL_LINES) journal.lastElementChild?.remove();
}

const source = new EventSource('./api/events');
source.addEventListener('open', () => {
  connected = true;
  draw();
});
source.addEventListener('error', () => {
  connected = false;
  draw();
});
source.addEventListener('message', (message: MessageEvent<string>) => {
  // Written by this page's own server from the journal's types.
  const event = JSON.parse(message.data) as JournalEvent;
  applyEvent(view, event);
  note(event);
  draw();
});
draw();
