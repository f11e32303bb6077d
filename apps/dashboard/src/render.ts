import { element, patch } from './element.ts';
import { renderClosedGate } from './render-gate.ts';
import type { ItemState, ItemView, PhaseView, RolloutView } from './rollout-view.ts';
import { clockTime, duration } from './words.ts';

const MARKS: Readonly<Record<ItemState, string>> = {
  waiting: '○',
  running: '◐',
  passed: '✔',
  failed: '✘',
  skipped: '–',
  undone: '↺',
};
const WORDS: Readonly<Record<ItemState, string>> = {
  waiting: 'waiting',
  running: 'running',
  passed: 'passed',
  failed: 'failed',
  skipped: 'skipped',
  undone: 'undone',
};

type Figure = readonly [name: string, value: string];
const percent = (share: number): string => `${(100 * share).toFixed(3)} %`;

/** What an audience counted from outside since the start. */
function audienceFigures(view: RolloutView): Figure[] {
  const counted = view.requests > 0;
  return [
    ['Availability', counted ? percent(1 - view.failed / view.requests) : '–'],
    ['Requests', view.requests.toLocaleString('en')],
    ['Failed', view.failed.toLocaleString('en')],
    ['Longest gap', counted ? `${Math.round(view.longestGapMs)} ms` : '–'],
    ['p99', counted ? `${Math.round(view.p99Ms)} ms` : '–'],
  ];
}

/** What the vendor counted at the edge in the last seconds. */
function edgeFigures({ requestsPerSecond, errorRate, p99Ms }: NonNullable<RolloutView['edge']>): Figure[] {
  return [
    ['Availability at the edge', errorRate === null ? '–' : percent(1 - errorRate)],
    ['Requests a second', requestsPerSecond === null ? '–' : requestsPerSecond.toFixed(1)],
    ['Failed', errorRate === null ? '–' : percent(errorRate)],
    ['Worker p99', p99Ms === null ? '–' : `${Math.round(p99Ms)} ms`],
  ];
}

/** The numbers that matter while it runs. */
export function renderFigures(target: HTMLElement, view: RolloutView): void {
  const figures = [
    ...(view.edge === null ? audienceFigures(view) : edgeFigures(view.edge)),
    ['Verified in R2', view.verified === null ? '–' : `${view.verified.verified}/${view.verified.objects}`],
    ['Alerts', String(view.alerts)],
  ];
  const hasFailed = view.failed > 0 || (view.edge?.errorRate ?? 0) > 0;
  patch(
    target,
    ...figures.map(([name = '', value = '']) =>
      element(
        'div',
        { class: name === 'Failed' && hasFailed ? 'figure bad' : 'figure' },
        element('span', {}, name),
        element('strong', {}, value),
      ),
    ),
  );
}

function renderItem(phase: PhaseView, item: ItemView): HTMLElement {
  return element(
    'li',
    { class: item.state },
    element('span', { class: 'mark', 'aria-hidden': 'true' }, MARKS[item.state]),
    element(
      'div',
      {},
      element('span', { class: 'item-title' }, item.kind === 'gate' ? `Gate: ${item.title}` : item.title),
      element('span', { class: 'state' }, ` ${WORDS[item.state]}${item.ms === null ? '' : `, ${duration(item.ms)}`}`),
      element('p', { class: 'quiet' }, item.summary),
      ...(item.verdict?.evidence ?? []).map((path) =>
        element(
          'a',
          { class: 'evidence', href: `/evidence/${path}`, id: `evidence-${phase.id}-${item.id}-${path}` },
          path.slice(path.lastIndexOf('/') + 1),
        ),
      ),
    ),
  );
}

function renderPhase(phase: PhaseView, open: boolean): HTMLElement {
  const time = phase.seconds === null ? `planned ${duration(phase.plannedMs)}` : duration(phase.seconds * 1000);
  const holding = phase.held.some(({ until }) => until === null);
  return element(
    'details',
    { class: `phase ${phase.state}${holding ? ' holding' : ''}`, id: `phase-${phase.id}`, ...(open && { open: '' }) },
    element(
      'summary',
      { id: `toggle-${phase.id}` },
      element('span', { class: 'mark', 'aria-hidden': 'true' }, holding ? '‖' : MARKS[phase.state]),
      element('span', { class: 'phase-title' }, phase.title),
      element('span', { class: 'state' }, `${holding ? 'held' : WORDS[phase.state]} · ${time}`),
    ),
    ...phase.held.map(({ by, from, until }) =>
      element(
        'p',
        { class: 'held' },
        `‖ Held for ${by} ${until === null ? `since ${clockTime(from)}` : `from ${clockTime(from)} to ${clockTime(until)}`}`,
      ),
    ),
    ...renderClosedGate(phase),
    element('ul', {}, ...phase.items.map((item) => renderItem(phase, item))),
  );
}

/** Draws the phases, open as a person has chosen; else the ones that run or failed. */
export function renderPhases(target: HTMLElement, view: RolloutView, chosen: ReadonlyMap<string, boolean>): void {
  patch(
    target,
    ...view.phases.map((phase) =>
      renderPhase(phase, chosen.get(`phase-${phase.id}`) ?? (phase.state === 'running' || phase.state === 'failed')),
    ),
  );
}

/** Remembers in `chosen` which phases a person opens and closes. */
export function rememberChoices(target: HTMLElement, chosen: Map<string, boolean>): void {
  target.addEventListener('click', (event) => {
    const summary = event.target instanceof Element ? event.target.closest('summary') : null;
    const details = summary?.parentElement;
    // The click comes before the browser turns it over.
    if (details instanceof HTMLDetailsElement) chosen.set(details.id, !details.open);
  });
}

export function renderTransfer(target: HTMLElement, view: RolloutView): void {
  const { transfer } = view;
  target.hidden = transfer === null || transfer.totalObjects === 0 || transfer.objects >= transfer.totalObjects;
  if (transfer === null || target.hidden) return;
  const left = transfer.remainingSeconds === null ? '' : `, ${transfer.remainingSeconds} s left`;
  patch(
    target,
    element('h2', {}, 'Copying legacy to R2'),
    element('progress', {
      value: String(transfer.objects),
      max: String(transfer.totalObjects),
      'aria-label': 'Objects copied',
    }),
    element(
      'p',
      { class: 'quiet' },
      `${transfer.objects} of ${transfer.totalObjects} objects, ${(transfer.bytesPerSecond / 1e6).toFixed(1)} MB/s${left}`,
    ),
  );
}
