import { describe, expect, it } from 'vitest';
import type { RolloutReport } from '../rollout/report-shapes.ts';
import type { PhaseCommand } from './phase-commands.ts';
import { refuseEarly } from './phase-order.ts';

type Phases = RolloutReport['phases'];

/** The state of the chapters that matter, as the report has them. */
function refused(command: PhaseCommand, states: Partial<Record<Phases[number]['id'], Phases[number]['status']>>) {
  const phases = (['cutover', 'watch', 'cleanup'] as const).map((id) => ({
    id,
    status: states[id] ?? 'not-run',
    startedAt: null,
    endedAt: null,
  }));
  try {
    refuseEarly(command, phases);
    return null;
  } catch (error) {
    return error;
  }
}

describe('a command whose time has not come', () => {
  it.each([
    ['watch', {}, 'first: crossfade cutover'],
    ['watch', { cutover: 'rolled-back' }, 'first: crossfade cutover'],
    ['cleanup', { cutover: 'passed' }, 'first: crossfade watch'],
    ['archive', { cutover: 'passed', watch: 'passed', cleanup: 'failed' }, 'first: crossfade cleanup'],
  ] as const)('is refused: %s after %j', (command, states, hint) => {
    expect(refused(command, states)).toMatchObject({ code: 'CROSSFADE_TOO_EARLY', exitCode: 1, hint });
  });

  it.each([
    ['prepare', {}],
    ['cutover', {}],
    ['watch', { cutover: 'passed' }],
    ['cleanup', { cutover: 'passed', watch: 'passed' }],
    ['archive', { cutover: 'passed', watch: 'passed', cleanup: 'passed' }],
    ['archive', { cutover: 'rolled-back' }],
    ['archive', {}],
  ] as const)('is not: %s after %j', (command, states) => {
    expect(refused(command, states)).toBeNull();
  });
});
