import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { startInstance } from './miniflare-instance.ts';
import { startR2Gateway, type R2Gateway } from './r2-gateway.ts';
import { unlimitedWrites, type WriteRate } from './r2-write-rate.ts';
import { send, type S3Bucket } from './s3-client.ts';

export const keys = { accessKeyId: 'key', secretAccessKey: 'secret' };
export const Bucket = 'media';

export interface TestBucket {
  readonly gateway: R2Gateway;
  readonly bucket: S3Bucket;
  client(over?: S3ClientConfig): S3Client;
  /** One signed request, the whole answer. */
  raw(
    method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE',
    key: string,
    details?: Parameters<typeof send>[3],
  ): Promise<{ status: number; headers: Record<string, unknown>; body: Buffer }>;
  close(): Promise<void>;
}

/** One bucket behind the gateway, over the simulator. Writes are not limited unless a rate is given. */
export async function startTestBucket(rate: WriteRate = unlimitedWrites): Promise<TestBucket> {
  const folder = await mkdtemp(join(tmpdir(), 'crossfade-r2-'));
  const state = {
    name: 'state',
    modules: true,
    compatibilityDate: '2026-07-01',
    script: `export default { fetch() { return new Response('state') } }`,
    r2Buckets: { SEED: { id: 'seed' } },
    unsafeRegisterWorker: true,
  };
  const owner = await startInstance(folder, 'state', { workers: [state] });
  const gateway = await startR2Gateway(folder, keys, () => {}, rate);
  await gateway.setBuckets([Bucket]);
  const bucket = { endpoint: gateway.endpoint, region: 'auto', bucket: Bucket, ...keys };
  return {
    gateway,
    bucket,
    client: (over = {}) =>
      new S3Client({
        endpoint: gateway.endpoint,
        region: 'auto',
        forcePathStyle: true,
        credentials: keys,
        maxAttempts: 1,
        ...over,
      }),
    async raw(method, key, details = {}) {
      const answer = await send(bucket, method, key, details);
      return {
        status: answer.statusCode,
        headers: answer.headers,
        body: Buffer.from(await answer.body.arrayBuffer()),
      };
    },
    async close() {
      await gateway.close();
      await owner.mf.dispose();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
