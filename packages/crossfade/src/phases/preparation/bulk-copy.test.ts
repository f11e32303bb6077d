import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Cloudflare from 'cloudflare';
import type { DatabaseServer } from '@crossfade/database-server';
import { startTemporaryDatabase } from '@crossfade/database-server/temporary';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { callsOf } from '../../cli/dry-run-calls.ts';
import { startSmallCloud } from '../../engine/fixtures/small-cloud.ts';
import { createSmallJournal, smallAudience, smallPlan, smallWalk } from '../../engine/fixtures/small-walk.ts';
import { walkRollout } from '../../engine/walk.ts';
import { createProviders } from '../../providers/create-providers.ts';
import { createDnsProvider } from '../../providers/dns/dns-provider.ts';
import { secretsOf } from '../../rollout/redaction.ts';
import { carryDeletesToR2 } from '../transfer-pass.ts';
import { bulkCopied, bulkCopy, endBulkCopy, slurperJobs } from './bulk-copy.ts';
import { copyStep } from './copy-step.ts';
import { NO_META } from '../../providers/object-meta.ts';

let database: DatabaseServer;
let folder: string;
beforeAll(async () => {
  database = await startTemporaryDatabase('small');
  folder = await mkdtemp(join(tmpdir(), 'crossfade-bulk-'));
});
afterAll(async () => {
  await database.stop();
  await rm(folder, { recursive: true, force: true });
});

/** The small cloud with a bucket in production, a context for steps there, and the vendor's own client beside them. */
async function open() {
  const cloud = await startSmallCloud({ databaseUrl: database.url('small') });
  onTestFinished(() => cloud.close());
  const config = { ...cloud.config, transfer: { ...cloud.config.transfer, bulk: 'super-slurper' as const } };
  const audience = smallAudience(config, createDnsProvider(config.dns));
  const providers = createProviders(config, { audience, pace: 0.1 });
  onTestFinished(() => providers.close());
  const journal = createSmallJournal();
  const walk = smallWalk({ config, providers, journal, folder });
  const context = walk.contextFor('preparation', new AbortController().signal);
  const { apiToken, apiBaseUrl, accountId: account_id } = config.cloudflare;
  const client = new Cloudflare({ apiToken, baseURL: apiBaseUrl, maxRetries: 0 }).r2.superSlurper;
  const { supabase, worker } = config.environments.production;
  const { endpoint, region, accessKeyId, secretAccessKey } = supabase.s3;
  const { r2 } = config.cloudflare;
  const job = {
    source: {
      vendor: 's3' as const,
      bucket: supabase.bucket,
      endpoint,
      region,
      secret: { accessKeyId, secretAccessKey },
    },
    target: {
      vendor: 'r2' as const,
      bucket: worker.bucket,
      secret: { accessKeyId: r2.accessKeyId, secretAccessKey: r2.secretAccessKey },
    },
  };
  const makeBucket = () => providers.cloudflare.createBucket(worker.bucket);
  return {
    cloud,
    config,
    providers,
    journal,
    walk,
    context,
    client,
    account_id,
    job,
    makeBucket,
    bucket: worker.bucket,
  };
}

const LEGACY = ['library/one.wav', 'library/two.wav', 'uploads/three.wav'];

describe('a bulk copy by Super Slurper', () => {
  it('carries all of legacy over in preparation, and every object is verified as always', async () => {
    const { cloud, config, providers, journal, bucket, client, account_id } = await open();
    const plan = smallPlan(config);
    const phases = plan.phases.filter(({ id }) => id === 'preparation');
    const outcome = await walkRollout(smallWalk({ config, providers, journal, folder, plan: { ...plan, phases } }));
    expect(outcome).toEqual({ outcome: 'completed', reason: null });
    expect((await cloud.state()).objects[bucket]).toEqual(LEGACY);
    const jobs = await client.jobs.list({ account_id });
    expect(jobs.result).toMatchObject([{ status: 'completed', target: { bucket } }]);
    const [copied] = journal.events.filter((one) => one.kind === 'step.finished' && one.subject === 'production.copy');
    expect(copied?.data).toMatchObject({ result: { objects: 0, bulk: { transferred: 3, skipped: 0, failed: 0 } } });
    expect(journal.events.find((one) => one.kind === 'transfer.finished')?.data).toMatchObject({ verified: 3 });
    const text = JSON.stringify(journal.events);
    for (const secret of secretsOf(config).filter((one) => one.length > 8)) expect(text).not.toContain(secret);
  });

  it('is found again after a crash, and not begun twice', async () => {
    const { context, client, account_id, job, makeBucket } = await open();
    await makeBucket();
    const before = await slurperJobs(context);
    // The life before this one began it, and died before it could say so.
    const { id = '' } = await client.jobs.create({ account_id, ...job });
    expect(await bulkCopy(context, before)).toMatchObject({ job: id, status: 'completed', transferred: 3 });
    expect(await slurperJobs(context)).toEqual([id]);
    // The next preparation begins one of its own, which finds all of it there.
    const second = await bulkCopy(context, [id]);
    expect(second).toMatchObject({ transferred: 0, skipped: 3 });
    expect(second.job).not.toBe(id);
  });

  it('leaves nothing in R2 that users have deleted in legacy meanwhile, and what somebody else put there', async () => {
    const { cloud, context, providers, bucket, makeBucket } = await open();
    await makeBucket();
    const { legacyStore: legacy, r2 } = providers;
    const put = (key: string) => r2.production.put(key, Buffer.from('ours'), 4, NO_META);
    await put('ours/before.wav');
    // Times are told in seconds.
    await new Promise((resolve) => setTimeout(resolve, 2100));
    await bulkCopy(context, []);
    // Before the verification: no manifest will have it.
    await legacy.delete('library/two.wav');
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await put('ours/after.wav');
    expect(await carryDeletesToR2(context)).toEqual({ deleted: 1, deletedKeys: ['library/two.wav'] });
    const left = ['library/one.wav', 'ours/after.wav', 'ours/before.wav', 'uploads/three.wav'];
    expect((await cloud.state()).objects[bucket]).toEqual(left);
  });

  it.each([
    ['runs', 'running', null, true],
    ['ended later', 'completed', '2026-11-29T03:00:00Z', true],
    ['had ended by then', 'completed', '2026-11-29T01:00:00Z', false],
    ['was ended, and nobody knows when', 'aborted', null, false],
  ] as const)(
    'that %s tells of an object by its time whether it brought it',
    async (_name, status, finishedAt, did) => {
      const { context, job } = await open();
      const { source, target } = job;
      const one = { id: 'a', status, source, target, createdAt: '2026-11-29T00:30:00Z', finishedAt };
      const cloudflare = { ...context.providers.cloudflare, listSlurperJobs: async () => [one] };
      const brought = await bulkCopied({ ...context, providers: { ...context.providers, cloudflare } });
      expect([brought('2026-11-29T02:00:00Z'), brought('2026-11-29T00:29:00Z')]).toEqual([did, false]);
    },
  );

  it('is ended by the compensation when it is ours and still runs; that of somebody else goes on', async () => {
    const { context, client, account_id, job, makeBucket } = await open();
    await makeBucket();
    const statusOf = async (id = ''): Promise<string | undefined> => (await client.jobs.get(id, { account_id })).status;
    const paused = async (): Promise<string> => {
      const { id = '' } = await client.jobs.create({ account_id, ...job });
      await client.jobs.pause(id, { account_id });
      return id;
    };
    const theirs = await paused();
    const ours = await paused();
    expect(await endBulkCopy(context, [theirs])).toEqual([ours]);
    expect([await statusOf(theirs), await statusOf(ours)]).toEqual(['paused', 'aborted']);
  });

  it('that failed at objects, or was aborted, leaves them to our own copy', async () => {
    const { cloud, context, client, account_id, job, bucket, makeBucket } = await open();
    await makeBucket();
    const wrong = { ...job, target: { ...job.target, secret: { accessKeyId: 'nobody', secretAccessKey: 'nothing' } } };
    await client.jobs.create({ account_id, ...wrong });
    const result = await copyStep().run(context, { objects: 0, jobs: [] });
    expect(result).toMatchObject({ objects: 3, bulk: { transferred: 0, failed: 3 } });
    expect((await cloud.state()).objects[bucket]).toEqual(LEGACY);
  });

  it('is one call of a dry run, without the keys of the two stores', async () => {
    const { config, providers, journal, context, makeBucket } = await open();
    await makeBucket();
    const phases = smallPlan(config)
      .phases.slice(0, 1)
      .map((phase) => ({ ...phase, parts: [{ kind: 'step' as const, step: copyStep() }] }));
    const { calls } = await callsOf(
      { phases, rollbacks: {} },
      {
        config,
        providers,
        rollout: 'small',
        history: journal.events,
        evidenceFolder: folder,
      },
    );
    const [begun] = calls.filter(({ path }) => path.endsWith('/slurper/jobs'));
    expect(begun).toMatchObject({ method: 'POST', body: { overwrite: false } });
    const { secretAccessKey } = config.environments.production.supabase.s3;
    expect(JSON.stringify(calls)).not.toContain(secretAccessKey);
    expect(await slurperJobs(context)).toEqual([]);
  });
});

describe("the vendor's connectivity check", () => {
  it('tells keys that open the stores from keys that do not', async () => {
    const { client, account_id, job, makeBucket } = await open();
    await makeBucket();
    const { connectivityPrecheck: check } = client;
    const secret = { accessKeyId: 'nobody', secretAccessKey: 'nothing' };
    expect(await check.source({ account_id, ...job.source })).toEqual({ connectivityStatus: 'success' });
    expect(await check.source({ account_id, ...job.source, secret })).toEqual({ connectivityStatus: 'error' });
    expect(await check.target({ account_id, ...job.target })).toEqual({ connectivityStatus: 'success' });
    expect(await check.target({ account_id, ...job.target, secret })).toEqual({ connectivityStatus: 'error' });
  });
});
