import { spawn } from 'node:child_process';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { findDatabaseServer } from '@crossfade/database-server';
import type { World } from './world.ts';

const STOP_MS = 20_000;
const POLL_MS = 50;

const pidFile = (folder: string): string => join(folder, 'world.pid');

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Whether any process of the group lives: its leader may be gone and its children not. */
function groupAlive(leader: number): boolean {
  try {
    process.kill(-leader, 0);
    return true;
  } catch {
    return false;
  }
}

async function readPid(folder: string): Promise<number | null> {
  const text = await readFile(pidFile(folder), 'utf8').catch(() => '');
  const pid = Number(text);
  return Number.isInteger(pid) && pid > 1 ? pid : null;
}

export interface StartOptions {
  /** Everything that the world keeps. A folder that a world used before gives the same world again. */
  readonly folder: string;
  readonly ttlScale: number;
  readonly onProgress: (line: string) => void;
  /** Gives the start up: what had been started is stopped, and the start throws. */
  readonly signal: AbortSignal;
}

/** Starts the local cloud in a process group of its own and resolves when all of it answers. */
export async function startWorld({ folder, ttlScale, onProgress, signal }: StartOptions): Promise<World> {
  signal.throwIfAborted();
  await mkdir(folder, { recursive: true });
  const logFile = join(folder, 'world.log');
  const log = await open(logFile, 'a');
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('main.ts', import.meta.url)), folder, String(ttlScale)],
    {
      detached: true,
      stdio: ['ignore', 'pipe', log.fd],
      env: { ...process.env, NODE_OPTIONS: '' },
    },
  );
  await log.close();
  if (child.pid !== undefined) await writeFile(pidFile(folder), String(child.pid));
  const { stdout } = child;
  if (stdout === null) throw new Error('the local cloud has no output to read');
  const outcome = await new Promise<string>((resolve) => {
    const lines = createInterface({ input: stdout });
    lines.on('line', (line) => {
      if (line.startsWith('say ')) onProgress(line.slice(4));
      else if (line === 'ready' || line.startsWith('failed ')) resolve(line);
    });
    child.once('exit', (code) => resolve(`failed it ended with exit code ${code}`));
    child.once('error', (error) => resolve(`failed ${error.message}`));
    signal.addEventListener('abort', () => resolve('failed its start was interrupted'), { once: true });
  });
  stdout.destroy();
  child.removeAllListeners('exit');
  child.unref();
  if (outcome === 'ready') return JSON.parse(await readFile(join(folder, 'world.json'), 'utf8')) as World;
  await stopWorld(folder);
  signal.throwIfAborted();
  throw new Error(`the local cloud did not start: ${outcome.slice('failed '.length)} (its log: ${logFile})`);
}

/** The world that runs in this folder, or `null`. */
export async function attachWorld(folder: string): Promise<World | null> {
  const text = await readFile(join(folder, 'world.json'), 'utf8').catch(() => null);
  if (text === null) return null;
  const world = JSON.parse(text) as World;
  if (!alive(world.pid)) return null;
  const health = await fetch(`${world.controlUrl}/health`, { signal: AbortSignal.timeout(5000) }).catch(() => null);
  return health?.ok === true ? world : null;
}

/** Tells the world that somebody still needs it. */
export async function heartbeat(world: World): Promise<void> {
  await fetch(`${world.controlUrl}/heartbeat`, { method: 'POST', signal: AbortSignal.timeout(5000) });
}

async function until(done: () => boolean, timeoutMs: number): Promise<boolean> {
  for (const start = performance.now(); performance.now() - start < timeoutMs;) {
    if (done()) return true;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return done();
}

/** Whether the process group really is a world's: a pid may have been given away since. */
async function isWorld(pid: number): Promise<boolean> {
  const command = await new Promise<string>((resolve) => {
    let text = '';
    createReadStream(`/proc/${pid}/cmdline`)
      .on('data', (chunk) => (text += String(chunk)))
      .on('error', () => resolve(''))
      .on('end', () => resolve(text));
  });
  return command === '' || command.includes('local-cloud');
}

/** Ends the world of this folder and everything that it started, gently first; no world there is fine. */
export async function stopWorld(folder: string): Promise<void> {
  const pid = await readPid(folder);
  if (pid !== null && groupAlive(pid) && (await isWorld(pid))) {
    if (alive(pid)) {
      process.kill(pid, 'SIGTERM');
      await until(() => !alive(pid), STOP_MS);
    }
    if (groupAlive(pid)) {
      process.kill(-pid, 'SIGKILL');
      await until(() => !groupAlive(pid), STOP_MS);
    }
  }
  // Postgres runs in a session of its own, so it outlives a world that was killed.
  await (await findDatabaseServer(join(folder, 'database')))?.stop();
}
