// `npm run test:faults`: staging is broken on purpose, once for each of its promises.
import { spawnSync } from 'node:child_process';

const { status } = spawnSync('vitest', ['run', '--config', 'vitest.faults.config.ts', ...process.argv.slice(2)], {
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
