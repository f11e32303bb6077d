import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TransferSet } from './sets.ts';
import type { Address } from './subjects.ts';

/** Where a set is copied from and to. */
export interface Pair {
  readonly from: Address;
  readonly to: Address;
  /** Forgets what was copied. */
  emptyTarget(): Promise<void>;
  close(): Promise<void>;
}

/** Two processes that keep objects in memory. */
export async function startFastPair(set: TransferSet): Promise<Pair> {
  const source = await startFast(['--objects', String(set.objects), '--bytes', String(set.bytes)]);
  const target = await startFast([]);
  const address = (endpoint: string): Address => ({
    endpoint,
    region: 'us-east-1',
    accessKeyId: 'bench',
    secretAccessKey: 'bench',
    bucket: 'media',
  });
  return {
    from: address(source.url),
    to: address(target.url),
    async emptyTarget() {
      await fetch(`${target.url}/empty`, { method: 'POST' });
    },
    async close() {
      await Promise.all([source.close(), target.close()]);
    },
  };
}

async function startFast(args: readonly string[]): Promise<{ url: string; close(): Promise<void> }> {
  const script = join(import.meta.dirname, 'fast-server.ts');
  const child = spawn(process.execPath, [script, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const lines = createInterface(child.stdout);
  const port = await Promise.race([
    once(lines, 'line').then(([line]) => String(line)),
    ended.then(([code]) => Promise.reject(new Error(`the bench's server ended with ${code}`))),
  ]);
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      child.stdin.end();
      await ended;
    },
  };
}
