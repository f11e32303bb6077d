import type { Verdict } from '../../../packages/crossfade/src/rollout/verdict.ts';
import { commandToCopy, element } from './element.ts';
import type { PhaseView } from './rollout-view.ts';
import { readable } from './words.ts';

const COMMAND = /^(?:npm|npx|crossfade) /;

/** The command that mends a failing check, to be copied; advice that is no command is only told. */
function renderMend(mend: string | undefined, id: string): HTMLElement | string {
  if (mend === undefined) return 'no command is known that mends it: look at its evidence';
  return COMMAND.test(mend) ? commandToCopy(mend, id) : mend;
}

function renderFailing(title: string, verdict: Verdict | null, id: string): HTMLElement {
  const rows: [string, HTMLElement | string][] =
    verdict === null
      ? [['Measured', 'nothing: it has no verdict']]
      : [
          ['Measured', element('code', {}, readable(verdict.measured))],
          ['Expected', element('code', {}, readable(verdict.expected))],
          ['To mend it', renderMend(verdict.mend, id)],
        ];
  return element(
    'li',
    {},
    element('p', { class: 'item-title' }, `✘ ${title}`),
    element('p', { class: 'quiet' }, verdict?.summary ?? ''),
    element('dl', {}, ...rows.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)])),
  );
}

/** Why a gate does not hold, check by check; nothing while it is open or undecided. */
export function renderClosedGate(phase: PhaseView): HTMLElement[] {
  const failed = phase.gateFailed ?? [];
  if (failed.length === 0) return [];
  const gate = phase.items.filter(({ kind }) => kind === 'gate');
  return [
    element(
      'div',
      { class: 'closed-gate' },
      element('h3', {}, `The gate is closed: ${failed.length} of ${gate.length} checks do not hold`),
      element(
        'ul',
        {},
        ...failed.map((id) => {
          const item = gate.find((one) => one.id === id);
          return renderFailing(item?.title ?? id, item?.verdict ?? null, `mend-${phase.id}-${id}`);
        }),
      ),
    ),
  ];
}
