import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { NODE_ENVIRONMENT, NODE_FLAGS } from '../../scripts/node-flags.mjs';
import { setInterval as every } from 'node:timers/promises';

/** A bucket behind S3's protocol. */
export interface Address {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly bucket: string;
}

export interface Run {
  readonly seconds: number;
  /** User and system time of the subject's process. */
  readonly cpuSeconds: number;
  readonly peakMiB: number;
  /** What the subject says of itself. */
  readonly said: string;
}

/** A run that may have come to nothing. */
export interface Attempt extends Run {
  /** `stopped` is one that took longer than it was given. */
  readonly ended: 'done' | 'failed' | 'stopped';
}

export interface Subject {
  readonly name: 'crossfade' | 'rclone';
  /** Throws when it fails. */
  run(from: Address, to: Address): Promise<Run>;
  /** Its failure, or that it is stopped after so long, is an answer as well. */
  attempt(from: Address, to: Address, limitMs: number): Promise<Attempt>;
}

/** What rclone is told between the fast servers, where it fares best with it. */
const FAST_TRANSFERS = 32;
/** Files that it compares at once; the target is empty, so more change nothing. */
const CHECKERS = 64;
/** The kernel counts a process's time in these. */
const TICKS_PER_SECOND = 100;
const LOOK_EVERY_MS = 20;

export const HOW_TO_GET_RCLONE = 'rclone is needed beside it: apt-get install rclone';

export function rcloneVersion(): string {
  const found = spawnSync('rclone', ['version'], { encoding: 'utf8' });
  if (found.status !== 0) throw new Error(HOW_TO_GET_RCLONE);
  return found.stdout.split('\n')[0] ?? 'rclone';
}

type Attempting = (from: Address, to: Address, limitMs: number) => Promise<Attempt>;

function subject(name: Subject['name'], attempt: Attempting): Subject {
  return {
    name,
    attempt,
    async run(from, to) {
      const attempted = await attempt(from, to, Infinity);
      if (attempted.ended !== 'done') throw new Error(`${name} ${attempted.ended}: ${attempted.said.slice(-2000)}`);
      return attempted;
    },
  };
}

/** Without any setting. */
export const crossfade = subject('crossfade', (from, to, limitMs) => {
  const script = join(import.meta.dirname, 'crossfade-subject.ts');
  const profile = process.env['BENCH_NODE_OPTIONS']?.split(' ') ?? [];
  const order = JSON.stringify({ from, to });
  return measure(process.execPath, [...NODE_FLAGS, ...profile, script, order], NODE_ENVIRONMENT, limitMs);
});

export const rcloneWith = (transfers: number): Subject =>
  subject('rclone', (from, to, limitMs) => {
    const flags = ['--s3-no-head', '--s3-no-head-object', '--use-server-modtime', '--fast-list'];
    const atOnce = ['--transfers', String(transfers), '--checkers', String(CHECKERS)];
    const args = ['copy', `from:${from.bucket}`, `to:${to.bucket}`, ...atOnce, ...flags, '--config', '/dev/null'];
    return measure('rclone', args, { ...remote('FROM', from), ...remote('TO', to) }, limitMs);
  });

export const rclone = rcloneWith(FAST_TRANSFERS);

function remote(name: string, address: Address): Record<string, string> {
  const settings = {
    type: 's3',
    provider: 'Other',
    endpoint: address.endpoint,
    region: address.region,
    access_key_id: address.accessKeyId,
    secret_access_key: address.secretAccessKey,
    force_path_style: 'true',
    list_version: '2',
  };
  const entries = Object.entries(settings);
  return Object.fromEntries(entries.map(([key, value]) => [`RCLONE_CONFIG_${name}_${key.toUpperCase()}`, value]));
}

/** Runs a process to its end, or for as long as it is given, and reads from the kernel what it took. */
async function measure(
  command: string,
  args: readonly string[],
  env: Record<string, string>,
  limitMs: number,
): Promise<Attempt> {
  const start = performance.now();
  // Nothing else of this environment: what it says to AWS's clients would steer rclone.
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(command, args, { env: { PATH, HOME, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  let [cpuSeconds, peakMiB] = [0, 0];
  const over = new AbortController();
  const watched = (async () => {
    try {
      for await (const _ of every(LOOK_EVERY_MS, null, { signal: over.signal })) {
        const seen = look(child.pid);
        if (seen !== null) ({ cpuSeconds, peakMiB } = seen);
      }
    } catch (error) {
      if (!over.signal.aborted) throw error;
    }
  })();
  let stopped = false;
  const stop = (): void => {
    stopped = true;
    child.kill('SIGKILL');
  };
  const limit = Number.isFinite(limitMs) ? setTimeout(stop, limitMs) : undefined;
  const [code] = await once(child, 'close');
  clearTimeout(limit);
  const seconds = (performance.now() - start) / 1000;
  over.abort();
  await watched;
  const ended = stopped ? 'stopped' : code === 0 ? 'done' : 'failed';
  return { ended, seconds, cpuSeconds, peakMiB, said: said.trim() };
}

/** `null` once the process is gone. */
function look(pid: number | undefined): { cpuSeconds: number; peakMiB: number } | null {
  try {
    // Fields 14 and 15; the name before them, in brackets, may hold spaces.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    if (peak === undefined) return null;
    const ticks = Number(fields[11]) + Number(fields[12]);
    return { cpuSeconds: ticks / TICKS_PER_SECOND, peakMiB: Number(peak) / 1024 };
  } catch {
    return null;
  }
}
