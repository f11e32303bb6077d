import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Cloudflare from 'cloudflare';
import type { DatabaseServer } from '@crossfade/database-server';
import { startTemporaryDatabase } from '@crossfade/database-server/temporary';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { callsOf } from '../../cli/dry-run-calls.ts';
import { openController } from '../../engine/controller.ts';
import { startSmallCloud } from '../../engine/fixtures/small-cloud.ts';
import { createSmallJournal, smallAudience, smallPlan, smallWalk } from '../../engine/fixtures/small-walk.ts';
import { thisOperator } from '../../engine/operator-session.ts';
import { walkRollout } from '../../engine/walk.ts';
import { createProviders } from '../../providers/create-providers.ts';
import { createDnsProvider } from '../../providers/dns/dns-provider.ts';
import { ProviderError } from '../../providers/provider-error.ts';
import type { CloudflareProvider, ObjectStore, Providers } from '../../providers/providers.ts';
import { secretsOf } from '../../rollout/redaction.ts';
import { copyStep } from './copy-step.ts';
import { endSippyCopy, sippyCopy } from './sippy-copy.ts';
import { metaOf } from '../../providers/object-meta.ts';

let database: DatabaseServer;
let folder: string;
beforeAll(async () => {
  database = await startTemporaryDatabase('small', 'engine');
  folder = await mkdtemp(join(tmpdir(), 'crossfade-sippy-'));
});
afterAll(async () => {
  await database.stop();
  await rm(folder, { recursive: true, force: true });
});

const LEGACY = ['library/one.wav', 'library/two.wav', 'uploads/three.wav'];

/** The small cloud with a bucket in production, contexts for steps there, and the vendor's own client beside them. */
async function open() {
  const cloud = await startSmallCloud({ databaseUrl: database.url('small') });
  onTestFinished(() => cloud.close());
  const config = { ...cloud.config, transfer: { ...cloud.config.transfer, bulk: 'sippy' as const } };
  const audience = smallAudience(config, createDnsProvider(config.dns));
  const providers = createProviders(config, { audience, pace: 0.05 });
  onTestFinished(() => providers.close());
  const journal = createSmallJournal();
  const { supabase, worker } = config.environments.production;
  const { bucket } = worker;
  /** `changed` stands in for methods of the providers, `stop` ends the work. */
  const contextWith = (
    changed: {
      cloudflare?: Partial<CloudflareProvider>;
      r2?: Partial<ObjectStore>;
      legacy?: Partial<ObjectStore>;
    } = {},
    stop = new AbortController().signal,
  ) => {
    const altered: Providers = {
      ...providers,
      cloudflare: { ...providers.cloudflare, ...changed.cloudflare },
      legacyStore: { ...providers.legacyStore, ...changed.legacy },
      r2: { ...providers.r2, production: { ...providers.r2.production, ...changed.r2 } },
    };
    return smallWalk({ config, providers: altered, journal, folder }).contextFor('preparation', stop);
  };
  const { apiToken, apiBaseUrl, accountId: account_id } = config.cloudflare;
  const { sippy } = new Cloudflare({ apiToken, baseURL: apiBaseUrl, maxRetries: 0 }).r2.buckets;
  const { accessKeyId, secretAccessKey } = supabase.s3;
  const bucketUrl = `${supabase.s3.endpoint}/${supabase.bucket}`;
  const source = { provider: 's3' as const, bucketUrl, accessKeyId, secretAccessKey };
  const { r2 } = config.cloudflare;
  const destination = {
    provider: 'r2' as const,
    accessKeyId: r2.accessKeyId,
    secretAccessKey: r2.secretAccessKey,
  };
  return {
    cloud,
    config,
    providers,
    journal,
    contextWith,
    bucket,
    source,
    makeBucket: () => providers.cloudflare.createBucket(bucket),
    turnOn: (from: typeof source) => sippy.update(bucket, { account_id, source: from, destination }),
    isOn: async () => (await sippy.get(bucket, { account_id })).enabled,
    keys: async () => (await cloud.state()).objects[bucket],
    notes: () => journal.events.flatMap((one) => (one.kind === 'note' ? [one.data.text] : [])),
  };
}

const refused = (operation: string): ProviderError =>
  new ProviderError('Cloudflare', operation, { status: 403, message: 'not allowed' });

describe('a bulk copy by Sippy', () => {
  it('brings all of legacy over in preparation, is off afterwards, and every object is verified as always', async () => {
    const { cloud, config, providers, journal, keys, isOn, notes } = await open();
    const plan = smallPlan(config);
    const phases = plan.phases.filter(({ id }) => id === 'preparation');
    const outcome = await walkRollout(smallWalk({ config, providers, journal, folder, plan: { ...plan, phases } }));
    expect(outcome).toEqual({ outcome: 'completed', reason: null });
    expect(await keys()).toEqual(LEGACY);
    expect(await isOn()).toBe(false);
    const [copied] = journal.events.filter((one) => one.kind === 'step.finished' && one.subject === 'production.copy');
    expect(copied?.data).toMatchObject({
      result: { objects: 0, bulk: { transferred: 3, failed: 0, left: 0, described: 3 } },
    });
    expect(notes()).toContain('sippy completed: 3 objects carried over, 0 failed, 0 too large for it');
    expect(journal.events.find((one) => one.kind === 'transfer.finished')?.data).toMatchObject({ verified: 3 });
    const sippyCalls = cloud.effects.filter(({ path }) => path.endsWith('/sippy')).map(({ method }) => method);
    expect(sippyCalls).toEqual(['PUT', 'DELETE']);
    const text = JSON.stringify(journal.events);
    for (const secret of secretsOf(config).filter((one) => one.length > 8)) expect(text).not.toContain(secret);
  });

  it('gives objects back what Sippy drops of their description, as our own copy would have had it', async () => {
    const { config, providers, contextWith, makeBucket, turnOn, source } = await open();
    await makeBucket();
    const { production } = providers.r2;
    const [first = '', second = ''] = LEGACY;
    // One came in an earlier life, of which nothing is known but what lies in R2.
    await turnOn(source);
    for await (const _chunk of (await production.get(first))?.body ?? []);
    expect((await production.head(first))?.meta).toMatchObject({ cacheControl: 'no-cache', custom: {} });
    expect(await sippyCopy(contextWith())).toMatchObject({ transferred: 2, described: 3 });
    const meta = (await production.head(second))?.meta;
    const own = { ...config, transfer: { ...config.transfer, bulk: 'own' as const } };
    await production.delete(second);
    await copyStep().run({ ...contextWith(), config: own }, { objects: 2 });
    expect((await production.head(second))?.meta).toEqual(meta);
    expect(meta).toMatchObject({ contentType: 'audio/wav', cacheControl: 'max-age=3600' });
    // There is nothing left to do, for either of them.
    expect(await sippyCopy(contextWith())).toMatchObject({ transferred: 0, described: 0 });
  });

  it('leaves to our own copy an object that cannot be read, and goes on with the others', async () => {
    const { providers, contextWith, makeBucket, keys, isOn } = await open();
    await makeBucket();
    const get: ObjectStore['get'] = async (key, range) => {
      if (key === LEGACY[1]) throw new ProviderError('R2', 'GET', { status: 500, message: 'broken' });
      return providers.r2.production.get(key, range);
    };
    const result = await copyStep().run(contextWith({ r2: { get } }), { objects: 0 });
    expect(result).toMatchObject({ objects: 1, bulk: { transferred: 2, failed: 1 } });
    expect(await keys()).toEqual(LEGACY);
    expect(await isOn()).toBe(false);
  });

  it('leaves alone what changed in legacy since Sippy brought it: our own copy brings the new version', async () => {
    const { providers, contextWith, makeBucket, turnOn, source } = await open();
    await makeBucket();
    const { legacyStore: legacy, r2 } = providers;
    const [key = ''] = LEGACY;
    await turnOn(source);
    for await (const _chunk of (await r2.production.get(key))?.body ?? []);
    const changed = Buffer.alloc((await legacy.head(key))?.size ?? 0, 'x');
    await legacy.put(key, changed, changed.byteLength, metaOf({ contentType: 'audio/ogg' }));
    const result = await copyStep().run(contextWith(), { objects: 1 });
    expect(result).toMatchObject({ objects: 1, bulk: { transferred: 2, described: 2 } });
    expect((await r2.production.head(key))?.meta.contentType).toBe('audio/ogg');
  });

  it('does not ask for an object of which one GET may bring a part only', async () => {
    const { providers, contextWith, makeBucket, keys } = await open();
    await makeBucket();
    const list: ObjectStore['list'] = async function* (prefix, after) {
      for await (const head of providers.legacyStore.list(prefix, after))
        yield head.key === LEGACY[0] ? { ...head, size: 199 * 1024 * 1024 + 1 } : head;
    };
    expect(await sippyCopy(contextWith({ legacy: { list } }))).toMatchObject({ transferred: 2, failed: 0, left: 1 });
    expect(await keys()).toEqual(LEGACY.slice(1));
  });

  it('stops asking when no other object would fare better', async () => {
    const { contextWith, makeBucket, isOn, notes } = await open();
    await makeBucket();
    const get = async (): Promise<never> => {
      throw new ProviderError('R2', 'GET', { status: 403, code: 'InvalidAccessKeyId', message: 'no such key' });
    };
    const context = contextWith({ r2: { get } });
    const one = { ...context, config: { ...context.config, transfer: { ...context.config.transfer, concurrency: 1 } } };
    expect(await sippyCopy(one)).toMatchObject({ transferred: 0, failed: 1 });
    expect(notes().at(-1)).toMatch(/^sippy stopped at "library\/one\.wav": R2 does not take the credential any more/);
    expect(await isOn()).toBe(false);
  });

  it('leaves all to our own copy when R2 may not read the source, and says so', async () => {
    const { contextWith, makeBucket, keys, isOn, providers, notes } = await open();
    await makeBucket();
    const { putSippy } = providers.cloudflare;
    const cloudflare: Partial<CloudflareProvider> = {
      putSippy: (source, target) => putSippy({ ...source, secretAccessKey: 'another-secret' }, target),
    };
    const result = await copyStep().run(contextWith({ cloudflare }), { objects: 0 });
    expect(result).toMatchObject({ objects: 3, bulk: { transferred: 0, failed: 3 } });
    expect(await keys()).toEqual(LEGACY);
    expect(await isOn()).toBe(false);
    expect(notes()).toContain('sippy completed: 0 objects carried over, 3 failed, 0 too large for it');
  });

  it('fails without a copy when it cannot be turned on, and leaves it off', async () => {
    const { providers, contextWith, makeBucket, keys, isOn } = await open();
    await makeBucket();
    const putSippy = async (): Promise<never> => {
      throw refused('PUT sippy');
    };
    await expect(copyStep().run(contextWith({ cloudflare: { putSippy } }), { objects: 0 })).rejects.toThrow(
      'not allowed',
    );
    expect([await isOn(), await keys()]).toEqual([false, []]);
    // The answer alone was lost: it is on all the same, and has to be turned off.
    const lost: CloudflareProvider['putSippy'] = async (source, target) => {
      await providers.cloudflare.putSippy(source, target);
      throw refused('PUT sippy');
    };
    await expect(sippyCopy(contextWith({ cloudflare: { putSippy: lost } }))).rejects.toThrow('not allowed');
    expect(await isOn()).toBe(false);
  });

  it('that cannot be turned off names the bucket and the command, and no copy is made while it is on', async () => {
    const { contextWith, makeBucket, isOn, bucket } = await open();
    await makeBucket();
    const deleteSippy = async (): Promise<never> => {
      throw refused('DELETE sippy');
    };
    const context = contextWith({ cloudflare: { deleteSippy } });
    await expect(copyStep().run(context, { objects: 0 })).rejects.toThrow(
      `Sippy may still be on for the bucket ${bucket}: turn it off (wrangler r2 bucket sippy disable ${bucket}); Cloudflare: DELETE sippy answered 403: not allowed`,
    );
    await expect(copyStep().compensate(context, { objects: 0 })).rejects.toThrow('may still be on');
    expect(copyStep().byHand?.(context, { objects: 0 })).toBe(`wrangler r2 bucket sippy disable ${bucket}`);
    expect(await isOn()).toBe(true);
    // The next life finds it on and ends it.
    expect(await sippyCopy(contextWith())).toMatchObject({ failed: 0 });
    expect(await isOn()).toBe(false);
  });

  it('is off when the work is ended midway, and asks for nothing more', async () => {
    const { providers, contextWith, makeBucket, isOn } = await open();
    await makeBucket();
    const stop = new AbortController();
    const asked: string[] = [];
    const get: ObjectStore['get'] = async (key, range) => {
      asked.push(key);
      const opened = await providers.r2.production.get(key, range);
      expect(await isOn()).toBe(true);
      stop.abort(new Error('the phase is over'));
      return opened;
    };
    const context = contextWith({ r2: { get } }, stop.signal);
    const one = { ...context, config: { ...context.config, transfer: { ...context.config.transfer, concurrency: 1 } } };
    await expect(copyStep().run(one, { objects: 0 })).rejects.toThrow('the phase is over');
    expect(asked).toEqual([LEGACY[0]]);
    expect(await isOn()).toBe(false);
  });

  it('is off when a person ends the process with Ctrl-C, before the process is gone', async () => {
    const { config, providers, makeBucket, isOn } = await open();
    await makeBucket();
    const stop = new AbortController();
    const slow: Partial<CloudflareProvider> = {
      async deleteSippy(bucket) {
        await new Promise((resolve) => setTimeout(resolve, 1000));
        await providers.cloudflare.deleteSippy(bucket);
      },
    };
    const get: ObjectStore['get'] = async () => {
      expect(await isOn()).toBe(true);
      stop.abort(new Error('Ctrl-C'));
      // R2 takes its time: nobody waits for it any more.
      return new Promise(() => {});
    };
    const phases = smallPlan(config)
      .phases.slice(0, 1)
      .map((phase) => ({ ...phase, gate: [], parts: [{ kind: 'step' as const, step: copyStep() }] }));
    const controller = await openController({
      databaseUrl: database.url('engine'),
      rollout: 'small',
      operator: thisOperator('prepare'),
      scenario: null,
      scale: null,
      config,
      providers: {
        ...providers,
        cloudflare: { ...providers.cloudflare, ...slow },
        r2: { ...providers.r2, production: { ...providers.r2.production, get } },
      },
      plan: { phases, rollbacks: {} },
      sentinel: { start() {}, stop: async () => {}, trouble: new Promise(() => {}) },
      evidenceFolder: folder,
      signal: stop.signal,
    });
    onTestFinished(() => controller.close());
    await expect(controller.run()).rejects.toThrow('Ctrl-C');
    expect(await isOn()).toBe(false);
  });

  it('waits for the setting to take effect before it takes a miss for a failure', async () => {
    const { providers, contextWith, makeBucket } = await open();
    await makeBucket();
    let misses = 4;
    const get: ObjectStore['get'] = async (key, range) =>
      misses-- > 0 ? null : providers.r2.production.get(key, range);
    expect(await sippyCopy(contextWith({ r2: { get } }))).toMatchObject({ transferred: 3, failed: 0 });
  });
});

describe('a Sippy that is on already', () => {
  it('is what a crash left behind when it reads from legacy: it is used, and turned off', async () => {
    const { contextWith, makeBucket, turnOn, isOn, keys, source } = await open();
    await makeBucket();
    await turnOn({ ...source, bucketUrl: `${source.bucketUrl}/` });
    expect(await sippyCopy(contextWith())).toMatchObject({ transferred: 3 });
    expect([await isOn(), await keys()]).toEqual([false, LEGACY]);
  });

  it('is turned off by the compensation when it reads from legacy', async () => {
    const { contextWith, makeBucket, turnOn, isOn, source } = await open();
    await makeBucket();
    await turnOn(source);
    expect(await copyStep().compensate(contextWith(), { objects: 0 })).toMatchObject({ sippyEnded: true });
    expect(await isOn()).toBe(false);
    expect(await endSippyCopy(contextWith())).toBe(false);
  });

  it('is refused and left alone when it reads from elsewhere', async () => {
    const { contextWith, makeBucket, turnOn, isOn, bucket, source } = await open();
    await makeBucket();
    await turnOn({ ...source, bucketUrl: 'https://elsewhere.example.com/music' });
    await expect(sippyCopy(contextWith())).rejects.toThrow(
      `Sippy is on for the bucket ${bucket} and reads from https://elsewhere.example.com/music instead of ${source.bucketUrl}`,
    );
    expect(await endSippyCopy(contextWith())).toBe(false);
    expect(await isOn()).toBe(true);
  });
});

describe('a dry run', () => {
  it('lists the very calls of a bulk copy by Sippy, without the keys of the two stores, and makes none', async () => {
    const { cloud, config, providers, journal, makeBucket, isOn, keys, contextWith, bucket } = await open();
    await makeBucket();
    const inOrder = { ...config, transfer: { ...config.transfer, concurrency: 1 } };
    const phases = smallPlan(config)
      .phases.slice(0, 1)
      .map((phase) => ({ ...phase, parts: [{ kind: 'step' as const, step: copyStep() }] }));
    const { calls } = await callsOf(
      { phases, rollbacks: {} },
      { config: inOrder, providers, rollout: 'small', history: journal.events, evidenceFolder: folder },
    );
    expect([await isOn(), await keys()]).toEqual([false, []]);
    const { accountId } = config.cloudflare;
    const setting = `/accounts/${accountId}/r2/buckets/${bucket}/sippy`;
    const objects = (method: string): string[] =>
      LEGACY.map((key) => `${method} ${providers.r2.production.label}/${key}`);
    expect(calls.map(({ method, path }) => `${method} ${path}`)).toEqual([
      `PUT ${setting}`,
      ...objects('GET'),
      `DELETE ${setting}`,
      ...objects('PUT'),
    ]);
    expect(calls[0]?.body).toMatchObject({
      source: { provider: 's3', accessKeyId: '[redacted]', secretAccessKey: '[redacted]' },
      destination: { provider: 'r2', accessKeyId: '[redacted]', secretAccessKey: '[redacted]' },
    });
    expect(calls.at(-1)?.body).toMatchObject({ copySource: LEGACY[2], cacheControl: 'max-age=3600' });
    const { secretAccessKey } = config.environments.production.supabase.s3;
    expect(JSON.stringify(calls)).not.toContain(secretAccessKey);

    // The same calls come in when it is done; R2's own writes are beside them.
    const before = cloud.effects.length;
    await copyStep().run(contextWith(), { objects: 0 });
    const made = cloud.effects.slice(before).map(({ method, path }) => `${method} ${path}`);
    const written = LEGACY.map((key) => `PUT r2:/${bucket}/${key}`);
    expect(made.filter((one) => one.endsWith('/sippy'))).toHaveLength(2);
    expect(made.filter((one) => !one.endsWith('/sippy')).toSorted()).toEqual([...written, ...written].toSorted());
  });
});
