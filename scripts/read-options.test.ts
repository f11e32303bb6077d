import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

const run = (script: string, ...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--disable-warning=DeprecationWarning', script, ...args],
    { encoding: 'utf8' },
  );
  return { status, stdout, stderr };
};

describe.each([
  ['scripts/soak.ts', 'npm run soak'],
  ['bench/rollback/run.ts', 'npm run bench:rollback'],
  ['bench/transfer/run.ts', 'npm run bench:transfer'],
  ['bench/worker/run.ts', 'npm run bench:worker'],
])('%s', (script, command) => {
  it('says with --help how it is used, and begins nothing', () => {
    const { status, stdout, stderr } = run(script, '--help');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`^usage: ${command} -- .*\n$`));
  });

  it('refuses an option that it does not have in one line', () => {
    const { status, stdout, stderr } = run(script, '--sedes', '3');
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(new RegExp(`^Unknown option '--sedes'; usage: ${command} -- .*\n$`));
  });
});

it.each([
  ['a word that belongs to nothing', ['three'], "Unexpected argument 'three'"],
  ['an option without its value', ['--json'], "Option '--json <value>' argument missing"],
  ['an option for whose value stands another', ['--json', '--json'], "Option '--json' argument is ambiguous"],
])('%s is refused in one line as well', (_what, args, says) => {
  const { status, stderr } = run('bench/worker/run.ts', ...args);
  expect(status).toBe(2);
  expect(stderr.startsWith(`${says}; usage: `), stderr).toBe(true);
  expect(stderr.trim().split('\n')).toHaveLength(1);
});
