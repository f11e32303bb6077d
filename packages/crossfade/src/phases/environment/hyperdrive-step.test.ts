import { describe, expect, it } from 'vitest';
import type { Step } from '../../rollout/plan.ts';
import type { RolloutConfig } from '../../rollout/config.ts';
import { differences, hyperdriveIdOf, wantedHyperdrive } from './hyperdrive-config.ts';
import { hyperdriveStep } from './hyperdrive-step.ts';
import { startSmallAccount, type SmallAccount } from './fixtures/small-account.ts';

const step = hyperdriveStep('staging');
const NAME = /^api-staging-database-[0-9a-f]{8}$/;
const origin = { host: 'db.example.com', port: 5432, database: 'app', user: 'worker' };

const planned = async (account: SmallAccount): Promise<string[]> =>
  (await account.planned(step as Step)).map(({ method, path }) => `${method} ${path.split('/')[3]}`);

function changed(config: RolloutConfig, staging: object): RolloutConfig {
  const { environments } = config;
  return { ...config, environments: { ...environments, staging: { ...environments.staging, ...staging } } };
}

/** The same account, with another config. */
const given = (account: SmallAccount, staging: object) => ({
  ...account.context,
  config: changed(account.config, staging),
});

describe("Hyperdrive in front of an environment's database", () => {
  it('is made for the database of the config, once, and its id is what the Worker binds', async () => {
    const account = await startSmallAccount();
    expect(await planned(account)).toEqual(['POST hyperdrive']);
    await expect(hyperdriveIdOf(account.context, 'staging')).rejects.toThrow('there is no Hyperdrive config');
    const { before, result } = await account.take(step);
    const [made, ...others] = await account.cloudflare.listHyperdrives();
    expect(others).toEqual([]);
    expect(made).toMatchObject({ name: expect.stringMatching(NAME), origin, cachingDisabled: true });
    expect(await step.verify(account.context, before)).toMatchObject({ status: 'pass' });
    expect(await hyperdriveIdOf(account.context, 'staging')).toBe(made?.id);
    expect((await account.take(step)).result).toMatchObject({ created: false, corrected: [] });
    expect(await planned(account)).toEqual([]);
    expect(account.calls()).toEqual(['POST configs']);
    expect(JSON.stringify([before, result])).not.toContain('first-password');
  });

  it('shows no password in a dry run', async () => {
    const account = await startSmallAccount();
    const [call] = await account.planned(step as Step);
    expect(call?.body).toMatchObject({ origin: { ...origin, password: '[redacted]' }, caching: { disabled: true } });
    expect(JSON.stringify(call)).not.toContain('first-password');
  });

  it.each([
    ['host', { host: 'elsewhere.example.com' }],
    ['user', { user: 'somebody' }],
    ['port', { port: 6543 }],
  ])('is corrected where its %s is another, and keeps its id', async (field, drift) => {
    const account = await startSmallAccount();
    await account.take(step);
    const [made] = await account.cloudflare.listHyperdrives();
    await account.cloudflare.updateHyperdrive(made?.id ?? '', made?.name ?? '', {
      ...origin,
      ...drift,
      password: 'first-password',
    });
    expect(await step.verify(account.context, { found: null })).toMatchObject({ status: 'fail', measured: [field] });
    expect(await planned(account)).toEqual(['PUT hyperdrive']);
    expect((await account.take(step)).result).toEqual({ id: made?.id, created: false, corrected: [field] });
    expect(await account.cloudflare.listHyperdrives()).toEqual([made]);
  });

  it('takes over a password that changed, though the vendor never tells the old one', async () => {
    const account = await startSmallAccount();
    await account.take(step);
    const [made] = await account.cloudflare.listHyperdrives();
    const context = given(account, { database: { url: 'postgresql://worker:second-password@db.example.com/app' } });
    expect(await step.verify(context, { found: null })).toMatchObject({ status: 'fail', measured: ['name'] });
    expect(await step.run(context, { found: null })).toMatchObject({ id: made?.id, corrected: ['name'] });
    expect(await step.verify(context, { found: null })).toMatchObject({ status: 'pass' });
    expect(await account.cloudflare.listHyperdrives()).toHaveLength(1);
  });

  it('leaves what others made alone, whatever it is called', async () => {
    const account = await startSmallAccount();
    const theirs = { ...origin, host: 'theirs.example.com', password: 'theirs' };
    for (const name of ['api-staging-database', 'api-staging-database-of-the-lab', 'api-database-0123abcd'])
      await account.cloudflare.createHyperdrive(name, theirs);
    const before = await account.cloudflare.listHyperdrives();
    await account.take(step);
    expect(await account.cloudflare.listHyperdrives()).toEqual([
      ...before,
      expect.objectContaining({ name: expect.stringMatching(NAME) }),
    ]);
  });

  it('lets a person decide where two are ours', async () => {
    const account = await startSmallAccount();
    for (const mark of ['0123abcd', '0123abce'])
      await account.cloudflare.createHyperdrive(`api-staging-database-${mark}`, { ...origin, password: 'x' });
    await expect(account.take(step)).rejects.toThrow('2 Hyperdrive configs of ours, expected 1');
  });

  it('uses the one that the config names as it is, and says when there is none', async () => {
    const account = await startSmallAccount();
    const { id } = await account.cloudflare.createHyperdrive('their-pool', { ...origin, host: 'p', password: 'x' });
    const context = given(account, { hyperdriveId: id });
    expect(await step.run(context, { found: null })).toEqual({ id, given: true });
    expect(await step.verify(context, { found: null })).toMatchObject({ status: 'pass' });
    expect(await hyperdriveIdOf(context, 'staging')).toBe(id);
    expect(account.calls()).toEqual(['POST configs']);
    const wrong = given(account, { hyperdriveId: '0'.repeat(32) });
    await expect(step.run(wrong, { found: null })).rejects.toThrow('environments.staging.hyperdriveId names no');
    expect(await step.verify(wrong, { found: null })).toMatchObject({ status: 'fail' });
  });

  it('goes when it was made in vain, and stays while a Worker serves or when it was there before', async () => {
    const account = await startSmallAccount();
    const { before } = await account.take(step);
    expect(await step.compensate(account.context, before)).toEqual({ deleted: expect.stringMatching(NAME) });
    expect(await account.cloudflare.listHyperdrives()).toEqual([]);
    expect(await step.compensate(account.context, before)).toEqual({ already: true });

    await account.take(step);
    await account.cloudflare.uploadScript('api-staging', {
      mainModule: 'index.js',
      modules: { 'index.js': 'export default {}' },
      compatibilityDate: '2026-07-01',
      compatibilityFlags: [],
      bindings: [{ type: 'hyperdrive', name: 'DATABASE', id: await hyperdriveIdOf(account.context, 'staging') }],
      tag: 'tag',
      message: 'message',
    });
    expect(await step.compensate(account.context, before)).toEqual({ left: 'a Worker that serves may bind it' });
    const { before: later } = await account.take(step);
    expect(await step.compensate(account.context, later)).toEqual({ left: 'it was there before' });
    expect(await account.cloudflare.listHyperdrives()).toHaveLength(1);
  });

  it('counts a cache of queries that is on as a difference', async () => {
    const { config } = await startSmallAccount();
    const wanted = wantedHyperdrive(config, 'staging');
    const found = { id: 'id', name: wanted.name, origin };
    expect(differences({ ...found, cachingDisabled: false }, wanted)).toEqual(['caching']);
    expect(differences({ ...found, cachingDisabled: true }, wanted)).toEqual([]);
  });

  it('reads encoded names and passwords, and the port that a database has without one', async () => {
    const { config } = await startSmallAccount();
    const { origin: read } = wantedHyperdrive(
      changed(config, { database: { url: 'postgres://us%40er:p%2Fw@db.example.com/my%20app' } }),
      'staging',
    );
    expect(read).toEqual({ host: 'db.example.com', port: 5432, database: 'my app', user: 'us@er', password: 'p/w' });
  });
});
