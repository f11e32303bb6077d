import { element, patch } from './element.ts';
import type { RolloutView } from './rollout-view.ts';

/** How far legacy is behind what production writes to R2: what a rollback would have to wait for. */
export function renderMirror(target: HTMLElement, { mirror }: RolloutView): void {
  target.hidden = mirror === null;
  if (mirror === null) return;
  const { lagSeconds, applied, copied, deleted, waiting, unproven, failing, rested } = mirror;
  const behind = lagSeconds === 0 ? 'in step' : `${lagSeconds.toFixed(lagSeconds < 10 ? 1 : 0)} s behind`;
  const open = [
    ...(failing > 0 ? [`${failing} that legacy does not take`] : []),
    ...(unproven > 0 ? [`${unproven} in legacy only, with no proof of a delete`] : []),
  ];
  patch(
    target,
    element('h2', {}, `Mirror back to legacy: ${behind}${rested ? ', at rest' : ''}`),
    element(
      'p',
      { class: 'quiet' },
      `${applied} events applied, ${copied} objects copied, ${deleted} deleted, ${waiting} waiting`,
    ),
    ...(open.length === 0 ? [] : [element('p', {}, open.join('; '))]),
  );
}
