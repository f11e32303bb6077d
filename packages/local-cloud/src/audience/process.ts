import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Audience } from './audience.ts';
import type { AudienceLoad, WriteRates } from './load.ts';
import type { AudienceStats } from './tally.ts';

export interface AudienceCall {
  readonly id: number;
  readonly method: 'start' | 'stop' | 'write' | 'stats' | 'told';
  readonly load?: AudienceLoad;
  readonly rates?: WriteRates;
}
type AudienceReply = { id: number; result: unknown } | { id: number; error: string } | { ready: true };

export interface AudienceProcess {
  readonly pid: number;
  start(load: AudienceLoad): Promise<void>;
  stop(): Promise<void>;
  stats(): Promise<AudienceStats>;
  write(rates: WriteRates): Promise<void>;
  told(): Promise<ReturnType<Audience['told']>>;
  close(): Promise<void>;
}

/** Starts the audience beside the cloud; it ends when the cloud does. What it was told is kept in `folder`. */
export async function startAudienceProcess(worldFile: string, folder: string): Promise<AudienceProcess> {
  const child: ChildProcess = fork(fileURLToPath(new URL('main.ts', import.meta.url)), [worldFile, folder], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let calls = 0;
  const ready = new Promise<void>((resolve, reject) => {
    child.on('message', (reply: AudienceReply) => {
      if ('ready' in reply) return resolve();
      const waiter = waiting.get(reply.id);
      waiting.delete(reply.id);
      if ('error' in reply) waiter?.reject(new Error(reply.error));
      else waiter?.resolve(reply.result);
    });
    child.once('exit', (code) => {
      const gone = new Error(`the audience ended (exit code ${code})`);
      for (const waiter of waiting.values()) waiter.reject(gone);
      waiting.clear();
      reject(gone);
    });
  });
  const call = (method: AudienceCall['method'], given: Pick<AudienceCall, 'load' | 'rates'> = {}): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const id = ++calls;
      waiting.set(id, { resolve, reject });
      child.send({ id, method, ...given }, (error) => {
        if (error !== null) reject(error);
      });
    });
  await ready;
  return {
    pid: child.pid ?? 0,
    start: async (load) => void (await call('start', { load })),
    stop: async () => void (await call('stop')),
    // The child answers with what audience.ts returns; both are this folder's.
    stats: async () => (await call('stats')) as AudienceStats,
    write: async (rates) => void (await call('write', { rates })),
    told: async () => (await call('told')) as ReturnType<Audience['told']>,
    async close() {
      if (child.exitCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
}
