import { expect, it } from 'vitest';
import { memoryJournal } from '../control-room/fixtures/memory-journal.ts';
import { nextOf } from './phase-commands.ts';

type Ended = readonly [command: string, outcome: 'completed' | 'rolled-back' | 'failed' | null];

async function nextAfterRuns(...runs: readonly Ended[]): Promise<readonly string[]> {
  const journal = memoryJournal();
  for (const [command, outcome] of runs) {
    await journal.append({ kind: 'run.started', data: { command, attempt: 1, operator: 'Ada' } }, { phase: null });
    if (outcome !== null)
      await journal.append(
        { kind: 'run.finished', data: { command, attempt: 1, outcome, reason: null } },
        { phase: null },
      );
  }
  return nextOf(journal.events);
}

it('an untouched rollout begins with staging', async () => {
  expect(await nextAfterRuns()).toEqual(['crossfade stage']);
});

it.each<[string, readonly Ended[], readonly string[]]>([
  ['what is complete, the next part', [['cutover', 'completed']], ['crossfade watch']],
  ['staging, its validation', [['stage', 'completed']], ['crossfade stage validate']],
  ['the validation, preparation', [['stage validate', 'completed']], ['crossfade prepare']],
  ['what was interrupted, the same again', [['cutover', null]], ['crossfade cutover']],
  ['what failed, the same again', [['cutover', 'failed']], ['crossfade cutover']],
  ['a cutover that was rolled back, preparation', [['cutover', 'rolled-back']], ['crossfade prepare']],
  [
    'a rollback by hand, preparation',
    [
      ['cutover', 'completed'],
      ['rollback full', 'rolled-back'],
    ],
    ['crossfade prepare'],
  ],
  [
    'a restore, what came before it',
    [
      ['cutover', 'completed'],
      ['rollback data --to 2026-01-01T00:00:00.000Z', 'rolled-back'],
    ],
    ['crossfade watch'],
  ],
])('after %s', async (_what, runs, next) => {
  expect(await nextAfterRuns(...runs)).toEqual(next);
});
