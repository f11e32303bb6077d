import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Cloudflare from 'cloudflare';
import * as v from 'valibot';
import { onTestFinished } from 'vitest';
import { startCloudflareApi } from './api-server.ts';
import type { CloudflareApi } from './api-server.ts';
import { openDataPoints } from './data-points.ts';
import { openQueues } from './queues.ts';
import type { RateLimit } from './api-rate-limit.ts';
import type { S3Bucket } from './s3-client.ts';
import { createFaults, type Faults } from '../faults.ts';
import { createInMemoryRuntime } from './in-memory-runtime.ts';
import type { InMemoryRuntime } from './in-memory-runtime.ts';

export const token = 'token-that-nobody-may-see';
export const account_id = 'a'.repeat(32);
export const zone_id = 'b'.repeat(32);

export interface TestAccount {
  readonly api: CloudflareApi;
  readonly runtime: InMemoryRuntime;
  readonly client: Cloudflare;
  readonly folder: string;
  readonly faults: Faults;
  /** A raw call below /client/v4 with the token, unless `headers` says otherwise. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** The multipart upload as wrangler sends it; PUT activates. */
  upload(method: 'POST' | 'PUT', script: string, code?: string, metadata?: object): Promise<Answer>;
}

export interface Answer {
  readonly status: number;
  // The tests read the vendor's JSON as it comes.
  readonly body: Record<string, unknown> & { result?: unknown; errors?: { code: number; message: string }[] };
  readonly text: string;
}

/** An API over an in-memory runtime; with a `folder` it takes up the account kept there, with `r2` its objects lie there. */
export async function startTestAccount(
  kept?: string,
  over: { rateLimit?: RateLimit; r2?: S3Bucket } = {},
): Promise<TestAccount> {
  const folder = kept ?? (await mkdtemp(path.join(tmpdir(), 'cloudflare-api-')));
  const { r2, rateLimit } = over;
  const runtime = createInMemoryRuntime();
  const faults = createFaults();
  const identity = { token, accountId: account_id, zoneId: zone_id, zoneName: 'audafact.com', workersSubdomain: 'aud' };
  const api = await startCloudflareApi({
    ...identity,
    folder,
    host: '127.0.0.1',
    port: 0,
    runtime: r2 === undefined ? runtime : { ...runtime, r2Endpoint: r2.endpoint },
    ...(r2 === undefined ? {} : { r2Keys: r2 }),
    ...(rateLimit === undefined ? {} : { rateLimit }),
    queues: await openQueues(`${folder}-queues`),
    dataPoints: openDataPoints(),
    faults,
  });
  onTestFinished(async () => {
    await api.close();
    await rm(folder, { recursive: true, force: true });
    await rm(`${folder}-queues`, { recursive: true, force: true });
  });
  const send = async (
    method: string,
    where: string,
    body: string | FormData | null,
    headers: Record<string, string>,
  ) => {
    const response = await fetch(`${api.url}${where}`, { method, body, headers });
    const text = await response.text();
    const isJson = response.headers.get('content-type') === 'application/json';
    return { status: response.status, body: isJson ? JSON.parse(text) : {}, text };
  };
  const authorization = `Bearer ${token}`;
  return {
    api,
    runtime,
    folder,
    faults,
    client: new Cloudflare({ apiToken: token, baseURL: api.url, maxRetries: 0 }),
    call: (method, where, body, headers = { authorization }) =>
      send(method, where, body === undefined ? null : JSON.stringify(body), {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      }),
    upload: (method, script, code = 'export default {}', metadata = {}) => {
      const form = new FormData();
      form.set('metadata', JSON.stringify({ main_module: 'index.js', compatibility_date: '2026-10-01', ...metadata }));
      form.set('index.js', new File([code], 'index.js', { type: 'application/javascript+module' }));
      const where = `/accounts/${account_id}/workers/scripts/${script}${method === 'POST' ? '/versions' : ''}`;
      return send(method, where, form, { authorization });
    },
  };
}

/** Newest first. The SDK's own page over them is empty: the vendor names the list `deployments`, not `items`. */
export async function deploymentsOf({ call }: TestAccount, script: string) {
  const answer = await call('GET', `/accounts/${account_id}/workers/scripts/${script}/deployments`);
  const list = v.object({ deployments: v.array(v.object({ id: v.string(), versions: v.array(Split) })) });
  return v.parse(list, answer.body.result).deployments;
}
const Split = v.object({ version_id: v.string(), percentage: v.number() });

/** The failure envelope in full, so that a test compares all of it. */
export function failure(status: number, code: number): object {
  return {
    status,
    body: { success: false, errors: [{ code }], messages: [], result: null },
  };
}
