// `npm run test:faults`: staging is broken on purpose, once for each of its promises; vendors fail at each call; the
// controller is killed, and so are a copy's workers and servers. With `--every-kill-point` (`npm run test:crashes`),
// only the last three: each call in each way, at every point there is, and a hundred times.
import { spawnSync } from 'node:child_process';

const [first, ...rest] = process.argv.slice(2);
const every = first === '--every-kill-point';
const args = every
  ? ['vendor-faults.faults.ts', 'crashes.faults.ts', 'kills.faults.ts', ...rest]
  : process.argv.slice(2);
const { status } = spawnSync('vitest', ['run', '--config', 'vitest.faults.config.ts', ...args], {
  stdio: 'inherit',
  env: { ...process.env, ...(every ? { CROSSFADE_KILL_POINTS: 'all' } : {}) },
});
process.exitCode = status ?? 1;
