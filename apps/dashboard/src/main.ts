import type { JournalEvent } from '../../../packages/crossfade/src/rollout/journal-event.ts';
import './control-room.css';
import { journalLine } from './journal-line.ts';
import { renderFigures, renderPhases, renderRollback, renderTransfer } from './render.ts';
import { applyEvent, emptyView } from './rollout-view.ts';
import { createTrafficChart } from './traffic-chart.ts';

const JOURNAL_LINES = 200;

function place(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

const view = emptyView();
const chosen = new Map<string, boolean>();
const drawTraffic = createTrafficChart(place('chart'));
let connected = false;
let waiting = false;

/** Draws at most once a frame, however many events came. */
function draw(): void {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    place('rollout').textContent =
      view.rollout === ''
        ? 'Waiting for the rollout …'
        : `${view.rollout}${view.scenario === null ? '' : ` · scenario ${view.scenario}`}`;
    place('scale').textContent = view.scale === null ? '' : `Rehearsal, scaled: ${view.scale}`;
    const outcome = place('outcome');
    const lost = !connected && (view.outcome === 'running' || view.outcome === 'rolling back');
    outcome.textContent = lost ? 'connection lost, trying again' : view.outcome;
    outcome.className = `badge ${lost ? 'lost' : view.outcome.replace(' ', '-')}`;
    outcome.title = view.reason ?? '';
    renderFigures(place('figures'), view);
    renderTransfer(place('transfer'), view);
    renderRollback(place('rollback'), view);
    renderPhases(place('phases'), view, chosen);
    drawTraffic(view.seconds);
  });
}

function note(event: JournalEvent): void {
  const line = journalLine(event);
  if (line === null) return;
  const item = document.createElement('li');
  const time = document.createElement('time');
  time.dateTime = event.at;
  time.textContent = event.at.slice(11, 23);
  item.append(time, ` ${event.id} ${line}`);
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
