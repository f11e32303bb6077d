// `npm test`: lint, format and types side by side, then the tests. All are run, so that one look shows everything.
import { spawn } from 'node:child_process';

interface Task {
  readonly title: string;
  readonly command: readonly [string, ...string[]];
}

const PROJECTS = ['.', 'apps/media-worker', 'apps/studio', 'apps/dashboard'];
const STATIC: readonly Task[] = [
  { title: 'lint', command: ['oxlint', '--deny-warnings'] },
  { title: 'format', command: ['prettier', '--check', '--log-level=warn', '.'] },
  ...PROJECTS.map((project): Task => ({ title: `types of ${project}`, command: ['tsc', '--noEmit', '-p', project] })),
];

interface Result {
  readonly passed: boolean;
  readonly output: string;
}

/** Runs a command from the installed packages; its output is held back unless it is to be seen as it comes. */
function run([name, ...rest]: Task['command'], live: boolean): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(name, rest, { stdio: live ? 'inherit' : ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (output += String(chunk)));
    child.once('error', reject);
    child.once('close', (code) => resolve({ passed: code === 0, output }));
  });
}

async function perform({ title, command }: Task, live = false): Promise<boolean> {
  const start = performance.now();
  const { passed, output } = await run(command, live);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  process.stdout.write(`${passed ? '✔' : '✘'} ${title} (${seconds} s)\n${passed ? '' : output}`);
  return passed;
}

// What is given after `npm test --` goes to the tests: a file, a name.
const tests: Task = { title: 'tests', command: ['vitest', 'run', ...process.argv.slice(2)] };
const verdicts = await Promise.all(STATIC.map((task) => perform(task)));
verdicts.push(await perform(tests, true));
const failed = verdicts.filter((passed) => !passed).length;
process.stdout.write(`\n${verdicts.length - failed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
