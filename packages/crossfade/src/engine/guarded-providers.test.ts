import { describe, expect, it } from 'vitest';
import type { Providers } from '../providers/providers.ts';
import { createChangesUnderWay, guardProviders } from './guarded-providers.ts';
import { NO_META } from '../providers/object-meta.ts';

/** Providers that only write down what they are asked. */
function recorded(calls: string[], changing?: Promise<void>): Providers {
  const say = (name: string) => async () => {
    calls.push(name);
    await changing;
  };
  const provider = {
    deploy: say('deploy'),
    putSippy: say('putSippy'),
    deleteSippy: say('deleteSippy'),
    getBucket: say('getBucket'),
    listVersions: say('listVersions'),
    patchDnsRecord: say('patchDnsRecord'),
    query: say('query'),
    put: say('put'),
    head: say('head'),
    publish: say('publish'),
  };
  const each = { staging: provider, production: provider };
  const made = {
    cloudflare: provider,
    supabase: each,
    database: each,
    legacyStore: provider,
    r2: each,
    backup: provider,
    frontend: provider,
  };
  // Only these methods are called here.
  return made as unknown as Providers;
}
const stopped = async (): Promise<never> => {
  throw new Error('the phase is over');
};
const noMore = { strict: stopped, cheap: stopped, ours: stopped };
const free = async (): Promise<void> => {};

describe('guarded providers', () => {
  it('ask as ever, and change nothing once the guard says no', async () => {
    const calls: string[] = [];
    const providers = guardProviders(recorded(calls), noMore, createChangesUnderWay());
    await providers.cloudflare.listVersions('worker');
    await providers.cloudflare.getBucket('bucket');
    await providers.r2.production.head('key');
    await providers.database.production.query('  select 1');
    const changes = [
      () => providers.cloudflare.deploy('worker', [], 'message'),
      () => providers.cloudflare.patchDnsRecord('id', {}),
      () => providers.r2.production.put('key', new Uint8Array(), 0, NO_META),
      () => providers.backup?.put('version', new Uint8Array(), 0, NO_META),
      () => providers.database.production.query('with batch as (select 1) update uploads set title = title'),
      () => providers.frontend.publish('command {folder}', 'folder'),
    ];
    for (const change of changes) await expect(change()).rejects.toThrow('the phase is over');
    expect(calls).toEqual(['listVersions', 'getBucket', 'head', 'query']);
  });

  it('turn Sippy off, but not on, when the work is over', async () => {
    const calls: string[] = [];
    const { cloudflare } = guardProviders(recorded(calls), { ...noMore, ours: free }, createChangesUnderWay());
    const keys = { accessKeyId: 'key', secretAccessKey: 'secret' };
    await expect(
      cloudflare.putSippy({ bucketUrl: 'https://legacy.example.com/media', ...keys }, { bucket: 'bucket', ...keys }),
    ).rejects.toThrow('the phase is over');
    await cloudflare.deleteSippy('bucket');
    expect(calls).toEqual(['deleteSippy']);
  });

  it('leave Sippy to who has the rollout, when it is ours no more', async () => {
    const calls: string[] = [];
    const { cloudflare } = guardProviders(recorded(calls), noMore, createChangesUnderWay());
    await expect(cloudflare.deleteSippy('bucket')).rejects.toThrow('the phase is over');
    expect(calls).toEqual([]);
  });

  it('tell when the changes under way have ended', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const changes = createChangesUnderWay();
    const providers = guardProviders(recorded([], promise), { strict: free, cheap: free, ours: free }, changes);
    const change = providers.cloudflare.patchDnsRecord('id', {});
    // The guard has let it pass.
    await new Promise((done) => setImmediate(done));
    let settled = false;
    const settling = changes.settled(10_000).then(() => (settled = true));
    await new Promise((done) => setImmediate(done));
    expect(settled).toBe(false);
    resolve();
    await Promise.all([change, settling]);
    expect(settled).toBe(true);
  });

  it('are not waited for without end', async () => {
    const changes = createChangesUnderWay();
    const never = new Promise<void>(() => {});
    void guardProviders(recorded([], never), { strict: free, cheap: free, ours: free }, changes).cloudflare.deploy(
      'worker',
      [],
      '',
    );
    await changes.settled(20);
  });
});
