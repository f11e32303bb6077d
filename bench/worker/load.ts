import { once } from 'node:events';
import http from 'node:http';
import { createHistogram } from 'node:perf_hooks';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';

export interface LoadTask {
  readonly url: string;
  readonly bytes: number;
  readonly connections: number;
  /** Measured after a fifth of it as warm-up, ms. */
  readonly durationMs: number;
}
export interface LoadResult {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** A closed loop of so many connections, in a thread of its own; an answer that is not as it should be ends it. */
export async function load(task: LoadTask): Promise<LoadResult> {
  const thread = new Worker(fileURLToPath(import.meta.url), { workerData: task });
  const [answer] = (await Promise.race([
    once(thread, 'message'),
    once(thread, 'error').then(([error]) => {
      throw error;
    }),
  ])) as [LoadResult];
  await thread.terminate();
  return answer;
}

async function measure({ url, bytes, connections, durationMs }: LoadTask): Promise<LoadResult> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  const histogram = createHistogram({ figures: 3 });
  const start = performance.now();
  const from = start + durationMs / 5;
  const until = from + durationMs;
  let counted = 0;
  const get = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const begun = performance.now();
      http
        .get(url, { agent }, (response) => {
          let received = 0;
          response.on('data', (chunk: Buffer) => (received += chunk.byteLength));
          response.on('error', reject);
          response.on('end', () => {
            if (response.statusCode !== 200 || received !== bytes)
              return reject(
                new Error(`HTTP ${response.statusCode} with ${received} bytes, expected 200 with ${bytes}`),
              );
            const now = performance.now();
            if (begun >= from && now <= until) {
              counted++;
              histogram.record(Math.max(1, Math.round((now - begun) * 1000)));
            }
            return resolve();
          });
        })
        .on('error', reject);
    });
  const client = async (): Promise<void> => {
    while (performance.now() < until) await get();
  };
  await Promise.all(Array.from({ length: connections }, client));
  agent.destroy();
  const ms = (percentile: number): number => histogram.percentile(percentile) / 1000;
  return { perSecond: counted / (durationMs / 1000), p50Ms: ms(50), p99Ms: ms(99) };
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
if (!isMainThread) parentPort?.postMessage(await measure(workerData as LoadTask));
