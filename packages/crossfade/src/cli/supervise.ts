import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
/** Set for a rehearsal that somebody starts again when it is killed. */
const SUPERVISED = 'CROSSFADE_SUPERVISED';
/** More deaths than this are no scenario's. */
const MOST_LIVES = 20;

/** Whether this process is one that is started again. */
export const isSupervised = (): boolean => process.env[SUPERVISED] === '1';

export interface Ended {
  readonly exitCode: number;
  /** The signal that killed it; `null` when it ended by itself. */
  readonly killedBy: NodeJS.Signals | null;
}

/**
 * Runs another `crossfade` to its end, in front of the same person; its stdout may go to `stderr`, where a document
 * of our own is written to stdout. Ctrl-C and the like are passed on, and waited for.
 */
export async function runCrossfade(
  args: readonly string[],
  stdout: 'inherit' | 'stderr',
  env = process.env,
): Promise<Ended> {
  const child = spawn(process.execPath, [...process.execArgv, MAIN, ...args], {
    stdio: ['inherit', stdout === 'stderr' ? 2 : 'inherit', 'inherit'],
    env,
  });
  const passOn = (signal: NodeJS.Signals): void => void child.kill(signal);
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, passOn);
  try {
    const [code, killedBy] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    return { exitCode: code ?? 128 + (killedBy === null ? 0 : constants.signals[killedBy]), killedBy };
  } finally {
    for (const signal of signals) process.off(signal, passOn);
  }
}

/** Plays a rehearsal in a process of its own, and starts it again with `--resume` each time that it is killed. */
export async function supervise(args: readonly string[], play = runCrossfade): Promise<number> {
  const env = { ...process.env, [SUPERVISED]: '1' };
  for (let life = 1; ; life++) {
    const again = life > 1 && !args.includes('--resume') ? ['--resume'] : [];
    const { exitCode, killedBy } = await play([...args, ...again], 'inherit', env);
    if (killedBy !== 'SIGKILL' || life === MOST_LIVES) return exitCode;
    process.stderr.write(`  the controller was killed: life ${life + 1} begins\n`);
  }
}
