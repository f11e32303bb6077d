import http from 'node:http';
import { createHistogram } from 'node:perf_hooks';
import { parentPort, workerData } from 'node:worker_threads';
import type { LoadResult, LoadTask } from './load.ts';

/** A server that is silent for so long, ms, ends the bench: otherwise it would never end. */
const SILENCE_MS = 10_000;

/** Reads one object to its end. @throws Error when it is not what was asked for */
function read(url: string, bytes: number, agent: http.Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent, timeout: SILENCE_MS }, (response) => {
      let received = 0;
      response.on('data', (chunk: Buffer) => (received += chunk.byteLength));
      response.once('error', reject);
      response.once('end', () => {
        if (response.statusCode === 200 && received === bytes) return resolve();
        const { pathname } = new URL(url);
        return reject(
          new Error(`${pathname} answered ${response.statusCode} with ${received} bytes; expected 200 with ${bytes}`),
        );
      });
    });
    request.once('timeout', () => request.destroy(new Error(`no answer within ${SILENCE_MS} ms`)));
    request.once('error', reject);
  });
}

/** Asks over and over on every connection; what ends within the window counts. */
async function measure({ url, bytes, connections, durationMs }: LoadTask): Promise<LoadResult> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  // Microseconds: the histogram takes whole numbers only.
  const latencies = createHistogram({ figures: 3 });
  const from = performance.now() + durationMs / 5;
  const until = from + durationMs;
  const client = async (): Promise<void> => {
    for (let begun = performance.now(); begun < until;) {
      await read(url, bytes, agent);
      const ended = performance.now();
      if (ended >= from && ended < until) latencies.record(Math.max(1, Math.round((ended - begun) * 1000)));
      begun = ended;
    }
  };
  await Promise.all(Array.from({ length: connections }, client));
  agent.destroy();
  const ms = (percentile: number): number => latencies.percentile(percentile) / 1000;
  return { requestsPerSecond: latencies.count / (durationMs / 1000), p50Ms: ms(50), p99Ms: ms(99) };
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
parentPort?.postMessage(await measure(workerData as LoadTask));
