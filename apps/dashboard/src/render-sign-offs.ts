import { element, patch, place } from './element.ts';
import type { RolloutView, SignOff } from './rollout-view.ts';
import { clockTime } from './words.ts';

function renderSignOff({ gate, as, note, at, expiresAt }: SignOff): HTMLElement {
  const expired = Date.parse(expiresAt) <= Date.now();
  const until = expired ? 'expired' : `holds until ${new Date(expiresAt).toLocaleString('en-GB')}`;
  return element(
    'li',
    { class: expired ? 'failed' : 'passed' },
    element('span', { class: 'mark', 'aria-hidden': 'true' }, expired ? '✘' : '✔'),
    element(
      'div',
      {},
      element('span', { class: 'item-title' }, `${gate}: ${as}`),
      element('span', { class: 'state' }, ` at ${clockTime(at)}, ${until}`),
      ...(note === '' ? [] : [element('p', { class: 'quiet' }, `“${note}”`)]),
    ),
  );
}

/** Who vouched for which gate, and whether it still counts. */
export function renderSignOffs(view: RolloutView): void {
  if (view.signOffs.length > 0) place('sign-offs').hidden = false;
  patch(place('signed'), ...view.signOffs.map(renderSignOff));
  const gates = view.phases.filter(({ items }) => items.some(({ kind }) => kind === 'gate'));
  patch(place('gates'), ...gates.map(({ id, title }) => element('option', { value: id }, title)));
}
