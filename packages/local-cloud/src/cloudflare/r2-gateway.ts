import { once } from 'node:events';
import http from 'node:http';
import type { Miniflare } from 'miniflare';
import { hasDotSegment } from '../dot-segments.ts';
import { startInstance } from './miniflare-instance.ts';
import { actionOf, S3_PATH } from './r2-actions.ts';
import { exchange, type Exchanges } from './r2-exchange.ts';
import { openKeyNames } from './r2-key-names.ts';
import { createR2Multipart } from './r2-multipart.ts';
import { readR2Uploads } from './r2-uploads.ts';
import { USAGE_WORKER } from './r2-usage.ts';
import { createWriteRate, type WriteRate } from './r2-write-rate.ts';
import type { R2Operation } from './runtime-contract.ts';
import { answerFailure, S3Failure } from './s3-failure.ts';
import type { S3Keys } from './s3-signing.ts';
import type { Sippy } from './sippy.ts';

const DRAIN_POLL_MS = 20;

interface Backend {
  readonly mf: Miniflare;
  readonly url: URL;
  readonly buckets: readonly string[];
  inFlight: number;
}

export interface R2Gateway {
  readonly endpoint: string;
  /** Serves exactly these buckets from the next request on. */
  setBuckets(names: readonly string[]): Promise<void>;
  /** From the next request on, what the bucket lacks is asked for there and copied; `null` ends it. */
  setSippy(bucket: string, sippy: Sippy | null): void;
  /** Notes how a Worker wrote a key that it stored something under. */
  noteKey(bucket: string, key: string): void;
  usage(bucket: string): Promise<{ objects: number; payloadBytes: number; metadataBytes: number }>;
  /** Deletes what the rules let expire at that time (epoch ms), and answers with the keys. */
  expire(
    bucket: string,
    rules: readonly { readonly prefix: string; readonly maxAgeSeconds: number }[],
    now: number,
  ): Promise<readonly string[]>;
  close(): Promise<void>;
}

/**
 * R2's S3 API on a port that stays, in front of the simulator's own. A changed set of buckets is a new instance
 * behind the same port: switched in one assignment, the old one ended when its last request is answered. What R2 does
 * differently from the simulator, r2-exchange.ts does.
 *
 * Known to differ from R2: bucket lifecycle and CORS calls answer 501 here (the API v4 has them), ssec keys are
 * ignored, and the storage class is not kept. Checksums are told back by the upload that brought them and by nothing
 * later. Keys with line ends are refused. Sippy acts for S3 only, not for a Worker's binding, which leads past here.
 */
export async function startR2Gateway(
  folder: string,
  credentials: S3Keys,
  log: (operation: R2Operation) => void,
  rate: WriteRate = createWriteRate(),
): Promise<R2Gateway> {
  let current: Backend | null = null;
  const sippies = new Map<string, Sippy>();
  let generation = 0;
  const names = openKeyNames(folder);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 256 });
  const common: Exchanges = {
    keys: credentials,
    names,
    rate,
    multipart: createR2Multipart(readR2Uploads(folder)),
    agent,
  };

  const server = http.createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://r2');
    const asked = actionOf(request.method ?? 'GET', url, request.headers['x-amz-copy-source'] !== undefined);
    const backend = current;
    if (backend === null || !url.pathname.startsWith(S3_PATH)) {
      request.resume();
      answerFailure(response, new S3Failure(404, 'NoSuchBucket', 'The specified bucket does not exist.'));
      return;
    }
    if (hasDotSegment(request.url)) {
      request.resume();
      answerFailure(response, new S3Failure(400, 'InvalidObjectName', 'The specified object name is not valid.'));
      return;
    }
    backend.inFlight++;
    let bytes = 0;
    response.once('close', () => {
      backend.inFlight--;
      log({ at: Date.now(), bucket: asked.bucket, action: asked.action, bytes });
    });
    const count = (more: number): void => void (bytes += more);
    exchange(common, {
      request,
      response,
      url,
      asked,
      simulator: backend.url,
      sippy: sippies.get(asked.bucket),
      count,
    });
  });
  server.keepAliveTimeout = 65_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the R2 gateway has no port');

  const retire = async (backend: Backend): Promise<void> => {
    while (backend.inFlight > 0) await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
    await backend.mf.dispose();
  };
  const ask = async (bucket: string, init: { method?: string; body?: string } = {}): Promise<unknown> => {
    const index = current?.buckets.indexOf(bucket) ?? -1;
    if (current === null || index < 0) throw new Error(`no bucket ${bucket}`);
    return (await current.mf.dispatchFetch(`http://usage/?binding=B${index}`, init)).json();
  };
  return {
    endpoint: `http://127.0.0.1:${address.port}${S3_PATH}`,
    async setBuckets(wanted) {
      const old = current;
      if (wanted.length === 0) current = null;
      else {
        const r2Buckets = Object.fromEntries(
          wanted.map((id, index) => [`B${index}`, { id, s3Credentials: credentials }]),
        );
        const worker = {
          name: `r2-gateway-${++generation}`,
          modules: true,
          compatibilityDate: '2026-07-01',
          script: USAGE_WORKER,
          r2Buckets,
        };
        const { mf, url } = await startInstance(folder, worker.name, { workers: [worker] });
        current = { mf, url, buckets: wanted, inFlight: 0 };
      }
      if (old !== null) await retire(old);
    },
    setSippy(bucket, sippy) {
      if (sippy === null) sippies.delete(bucket);
      else sippies.set(bucket, sippy);
    },
    noteKey: (bucket, key) => names.note(bucket, key),
    async usage(bucket) {
      return (await ask(bucket)) as { objects: number; payloadBytes: number; metadataBytes: number };
    },
    async expire(bucket, rules, now) {
      const answer = await ask(bucket, { method: 'POST', body: JSON.stringify({ rules, now }) });
      return (answer as { expired: string[] }).expired;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      agent.destroy();
      await current?.mf.dispose();
      current = null;
      names.close();
    },
  };
}
