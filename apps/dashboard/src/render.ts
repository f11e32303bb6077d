import type { ItemState, PhaseView, RolloutView } from './rollout-view.ts';

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

function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`;
  return ms < 2 * 3600_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3600_000)} h`;
}

/** The four numbers that matter while it runs. */
export function renderFigures(target: HTMLElement, view: RolloutView): void {
  const availability = view.requests === 0 ? '–' : `${(100 * (1 - view.failed / view.requests)).toFixed(3)} %`;
  const figures = [
    ['Availability', availability],
    ['Requests', view.requests.toLocaleString('en')],
    ['Failed', view.failed.toLocaleString('en')],
    ['Longest gap', view.requests === 0 ? '–' : `${Math.round(view.longestGapMs)} ms`],
    ['p99', view.requests === 0 ? '–' : `${Math.round(view.p99Ms)} ms`],
    ['Verified in R2', view.verified === null ? '–' : `${view.verified.verified}/${view.verified.objects}`],
    ['Alerts', String(view.alerts)],
  ];
  target.replaceChildren(
    ...figures.map(([name = '', value = '']) =>
      element(
        'div',
        { class: name === 'Failed' && view.failed > 0 ? 'figure bad' : 'figure' },
        element('span', {}, name),
        element('strong', {}, value),
      ),
    ),
  );
}

function renderPhase(phase: PhaseView): HTMLElement {
  const time = phase.seconds === null ? `planned ${duration(phase.plannedMs)}` : duration(phase.seconds * 1000);
  const items = phase.items.map((item) =>
    element(
      'li',
      { class: item.state },
      element('span', { class: 'mark', 'aria-hidden': 'true' }, MARKS[item.state]),
      element(
        'div',
        {},
        element('span', { class: 'item-title' }, item.kind === 'gate' ? `Gate: ${item.title}` : item.title),
        element('span', { class: 'state' }, ` ${WORDS[item.state]}${item.ms === null ? '' : `, ${duration(item.ms)}`}`),
        element('p', { class: 'quiet' }, item.summary),
        ...item.evidence.map((path) =>
          element('a', { class: 'evidence', href: `/evidence/${path}` }, path.slice(path.lastIndexOf('/') + 1)),
        ),
      ),
    ),
  );
  const details = element(
    'details',
    { class: `phase ${phase.state}`, id: `phase-${phase.id}` },
    element(
      'summary',
      {},
      element('span', { class: 'mark', 'aria-hidden': 'true' }, MARKS[phase.state]),
      element('span', { class: 'phase-title' }, phase.title),
      element('span', { class: 'state' }, `${WORDS[phase.state]} · ${time}`),
    ),
    element('ul', {}, ...items),
  );
  details.open = phase.state === 'running' || phase.state === 'failed';
  return details;
}

/** Draws the phases anew, keeping open what a person has opened or closed. */
export function renderPhases(target: HTMLElement, view: RolloutView, chosen: Map<string, boolean>): void {
  const drawn = view.phases.map((phase) => {
    const details = renderPhase(phase);
    if (details instanceof HTMLDetailsElement) {
      const choice = chosen.get(phase.id);
      if (choice !== undefined) details.open = choice;
      details.querySelector('summary')?.addEventListener('click', () => chosen.set(phase.id, !details.open));
    }
    return details;
  });
  const focused = document.activeElement?.closest('details')?.id;
  target.replaceChildren(...drawn);
  if (focused !== undefined) document.getElementById(focused)?.querySelector('summary')?.focus();
}

export function renderTransfer(target: HTMLElement, view: RolloutView): void {
  const { transfer } = view;
  target.hidden = transfer === null || transfer.totalObjects === 0 || transfer.objects >= transfer.totalObjects;
  if (transfer === null || target.hidden) return;
  const left = transfer.remainingSeconds === null ? '' : `, ${transfer.remainingSeconds} s left`;
  target.replaceChildren(
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

export function renderRollback(target: HTMLElement, view: RolloutView): void {
  const { rollback } = view;
  target.hidden = rollback === null;
  if (rollback === null) return;
  const recovered = rollback.recoveredMs === null ? 'not yet' : duration(rollback.recoveredMs);
  target.replaceChildren(
    element('h2', {}, '↺ Rolled back by itself'),
    element('p', {}, `${rollback.measure}: ${rollback.measured}`),
    element(
      'p',
      {},
      `noticed after ${duration(rollback.detectedMs)} · served again after ${recovered} · uploads lost: ${rollback.lostUploads ?? 'being counted'}`,
    ),
    element('ul', {}, ...rollback.steps.map((step) => element('li', {}, step))),
  );
}
