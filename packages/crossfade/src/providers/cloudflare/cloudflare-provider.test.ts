import { describe, expect, it, onTestFinished } from 'vitest';
import { FAULTS, startFaultyVendor } from '../fixtures/faulty-vendor.ts';
import { ProviderError } from '../provider-error.ts';
import type { CloudflareProvider } from '../providers.ts';
import { createCloudflareApi } from './api-call.ts';
import { createCloudflareProvider } from './cloudflare-provider.ts';

const CANARY = 'canary-cloudflare-token';
const upload = {
  mainModule: 'index.js',
  modules: { 'index.js': 'export default {}' },
  compatibilityDate: '2026-07-01',
  compatibilityFlags: [],
  bindings: [],
  tag: 'tag',
  message: 'message',
};
const record = { type: 'A', name: 'media.audafact.com', content: '192.0.2.1', ttl: 1, proxied: true, comment: null };
const origin = { host: 'db.example.com', port: 5432, database: 'postgres', user: 'worker', password: CANARY };

const bulkKeys = { accessKeyId: 'key', secretAccessKey: CANARY };
const bulkSource = { endpoint: 'https://project.example.com/s3', region: 'eu', bucket: 'media', ...bulkKeys };
const sippySource = { bucketUrl: 'https://project.example.com/s3/media', ...bulkKeys };

/** Every method of the provider. A new one that is not named here does not compile. */
const CALLS: Readonly<Record<keyof CloudflareProvider, (provider: CloudflareProvider) => Promise<unknown>>> = {
  uploadScript: (cf) => cf.uploadScript('limits', { ...upload, newClasses: { migration: 'v1', names: ['Limits'] } }),
  uploadVersion: (cf) => cf.uploadVersion('media', upload),
  listVersions: (cf) => cf.listVersions('media'),
  listDeployments: (cf) => cf.listDeployments('media'),
  deploy: (cf) => cf.deploy('media', [{ versionId: 'v', percentage: 100 }], 'm'),
  getSubdomain: (cf) => cf.getSubdomain('media'),
  setSubdomain: (cf) => cf.setSubdomain('media', { enabled: true, previewsEnabled: true }),
  getBucket: (cf) => cf.getBucket('audafact'),
  createBucket: (cf) => cf.createBucket('audafact'),
  deleteBucket: (cf) => cf.deleteBucket('audafact'),
  getLifecycle: (cf) => cf.getLifecycle('audafact'),
  putLifecycle: (cf) => cf.putLifecycle('audafact', []),
  getCors: (cf) => cf.getCors('audafact'),
  putCors: (cf) => cf.putCors('audafact', []),
  getQueue: (cf) => cf.getQueue('events'),
  createQueue: (cf) => cf.createQueue('events'),
  createPullConsumer: (cf) => cf.createPullConsumer('id'),
  deleteQueue: (cf) => cf.deleteQueue('id'),
  pullMessages: (cf) => cf.pullMessages('id', { batchSize: 1, visibilityTimeoutMs: 1000 }),
  ackMessages: (cf) => cf.ackMessages('id', ['lease'], []),
  telemetry: (cf) => cf.telemetry('SELECT 1'),
  listDnsRecords: (cf) => cf.listDnsRecords('media.audafact.com'),
  createDnsRecord: (cf) => cf.createDnsRecord(record),
  patchDnsRecord: (cf) => cf.patchDnsRecord('id', { ttl: 60 }),
  deleteDnsRecord: (cf) => cf.deleteDnsRecord('id'),
  listHyperdrives: (cf) => cf.listHyperdrives(),
  createHyperdrive: (cf) => cf.createHyperdrive('database', origin),
  updateHyperdrive: (cf) => cf.updateHyperdrive('id', 'database', origin),
  deleteHyperdrive: (cf) => cf.deleteHyperdrive('id'),
  listSlurperJobs: (cf) => cf.listSlurperJobs(),
  createSlurperJob: (cf) => cf.createSlurperJob(bulkSource, { bucket: 'audafact', ...bulkKeys }),
  slurperProgress: (cf) => cf.slurperProgress('id'),
  deleteSlurperJob: (cf) => cf.deleteSlurperJob('id'),
  getSippy: (cf) => cf.getSippy('audafact'),
  putSippy: (cf) => cf.putSippy(sippySource, { bucket: 'audafact', ...bulkKeys }),
  deleteSippy: (cf) => cf.deleteSippy('audafact'),
  listRoutes: (cf) => cf.listRoutes(),
  createRoute: (cf) => cf.createRoute('media.audafact.com/*', 'media'),
  deleteRoute: (cf) => cf.deleteRoute('id'),
  httpStatuses: (cf) => cf.httpStatuses('media.audafact.com', 0, 1000),
  workerInvocations: (cf) => cf.workerInvocations('media', 0, 1000),
  r2Operations: (cf) => cf.r2Operations('audafact', 0, 1000),
  r2Storage: (cf) => cf.r2Storage('audafact'),
};
/** These say only that it was done, or say "no rules" by leaving them out: another shape is not told apart. */
const WITHOUT_RESULT: ReadonlySet<string> = new Set([
  'setSubdomain',
  'createBucket',
  'createPullConsumer',
  'deleteQueue',
  'ackMessages',
  'deleteBucket',
  'putLifecycle',
  'putCors',
  'deleteRoute',
  'deleteDnsRecord',
  'deleteHyperdrive',
  'putSippy',
  'deleteSippy',
  'getLifecycle',
  'getCors',
]);

/** A tenth of the timeouts and pauses: what is tried here is how each call ends, not how patiently. */
const PACE = 0.1;
function providerAt(url: string): CloudflareProvider {
  const config = {
    apiBaseUrl: url,
    apiToken: CANARY,
    accountId: 'a'.repeat(32),
    zoneId: 'b'.repeat(32),
    workersSubdomain: 'aud',
    r2: { endpoint: url, region: 'auto', accessKeyId: 'id', secretAccessKey: 'secret' },
  };
  return createCloudflareProvider(config, createCloudflareApi(config, PACE), PACE);
}

describe.each(Object.entries(FAULTS))('when a call to Cloudflare %s', (fault, answer) => {
  it('every method fails with an error that names the call and what to do, and no credential', async () => {
    const vendor = await startFaultyVendor(answer);
    onTestFinished(() => vendor.close());
    const provider = providerAt(vendor.url);
    const names = Object.keys(CALLS).filter(
      (name) => fault !== 'gets JSON of another shape' || !WITHOUT_RESULT.has(name),
    );
    const outcomes = await Promise.all(
      Object.entries(CALLS)
        .filter(([name]) => names.includes(name))
        .map(async ([name, call]) => ({
          name,
          error: await call(provider).then(
            () => null,
            (error: unknown) => error,
          ),
        })),
    );
    for (const { name, error } of outcomes) {
      expect(error, name).toBeInstanceOf(ProviderError);
      if (!(error instanceof ProviderError)) continue;
      expect(`${error.message} ${error.hint} ${JSON.stringify(error)} ${error.stack}`, name).not.toContain(CANARY);
      expect(error.message, name).toMatch(/Cloudflare: .*(accounts|zones|graphql|127\.0\.0\.1)/);
      expect(error.hint, name).not.toBeNull();
    }
  });
});

it('a refusal that quotes the password of a database, or the keys of a store, is told without it', async () => {
  const password = 'canary-database-password';
  const vendor = await startFaultyVendor((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const errors = [{ code: 2013, message: `invalid credentials in ${Buffer.concat(chunks)}` }];
      response
        .writeHead(400, { 'content-type': 'application/json' })
        .end(JSON.stringify({ success: false, errors, messages: [], result: null }));
    });
  });
  onTestFinished(() => vendor.close());
  const provider = providerAt(vendor.url);
  for (const call of [
    provider.createHyperdrive('database', { ...origin, password }),
    provider.updateHyperdrive('id', 'database', { ...origin, password }),
    provider.putSippy({ ...sippySource, secretAccessKey: password }, { bucket: 'audafact', ...bulkKeys }),
    provider.putSippy(sippySource, { bucket: 'audafact', accessKeyId: 'key', secretAccessKey: password }),
  ]) {
    const error = await call.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: '2013', message: expect.stringContaining('[redacted]') });
    expect(`${(error as Error).message} ${(error as Error).stack} ${JSON.stringify(error)}`).not.toContain(password);
  }
});
