import { expect, it } from 'vitest';
import { scenarioLines, type ScenarioRow } from './scenario-table.ts';

const row: ScenarioRow = {
  scenario: 'smooth',
  expected: 'completed',
  outcome: 'completed',
  reason: null,
  exitCode: 0,
  requests: 7894,
  failed: 0,
  unplanted: 0,
  detectedMs: null,
  recoveredMs: null,
  lostUploads: null,
  lostDeletes: null,
  seed: 7,
  seconds: 109,
  differences: [],
};

it('a table has a line for each scenario, words to the left and numbers to the right', () => {
  const broken = {
    ...row,
    scenario: 'broken-worker',
    outcome: 'rolled-back',
    exitCode: 3,
    failed: 41,
    detectedMs: 1240,
    recoveredMs: 2000,
    lostUploads: 0,
    lostDeletes: 0,
  };
  expect(scenarioLines([row, broken])).toEqual([
    'scenario       expected   outcome      exit  requests  failed  not planted  detected  recovered  lost uploads  lost deletes  seconds',
    'smooth         completed  completed       0      7894       0            0         –          –             –             –      109',
    'broken-worker  completed  rolled-back     3      7894      41            0     1.2 s      2.0 s             0             0      109',
  ]);
});
