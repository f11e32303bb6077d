import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

export interface LoadTask {
  readonly url: string;
  /** Length that every answer must have. */
  readonly bytes: number;
  /** So many requests are under way at any time, each on a connection that is kept. */
  readonly connections: number;
  /** Length of the measured window, ms; a fifth of it is spent warming up before. */
  readonly durationMs: number;
}

/** What one subject did in one round. */
export interface LoadResult {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/**
 * A closed loop of connections, in a thread of its own so that Miniflare's work in this one does not delay its clock.
 * @throws Error when an answer is not 200 with exactly `bytes` bytes, or when `signal` aborts
 */
export async function load(task: LoadTask, signal: AbortSignal): Promise<LoadResult> {
  const thread = new Worker(new URL('./load-thread.ts', import.meta.url), { workerData: task });
  try {
    // What breaks in the thread is an `error` of it, which makes this reject.
    const [result] = (await once(thread, 'message', { signal })) as [LoadResult];
    return result;
  } finally {
    await thread.terminate();
  }
}
