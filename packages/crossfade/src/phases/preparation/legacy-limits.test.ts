import { describe, expect, it } from 'vitest';
import { smallConfig } from '../../engine/fixtures/small-config.ts';
import type { StorageLimits } from '../../providers/providers.ts';
import type { RolloutConfig } from '../../rollout/config.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { limitsWithinLegacy } from '../environment/upload-limits.ts';
import { judgeLimits, legacyLimitsCheck } from './legacy-limits.ts';

const MIB = 1024 * 1024;
const NOTHING: StorageLimits = {
  bucketBytes: null,
  projectBytes: null,
  projectBy: 'settings',
  allowedTypes: null,
  refusedTypes: [],
};

/** A Worker that accepts 25, 100 and 500 MiB. */
function app(transfer: Partial<RolloutConfig['transfer']>, uploadTypes?: string[]): RolloutConfig {
  const url = 'http://127.0.0.1:9';
  const config = smallConfig({
    cloudflare: url,
    r2: url,
    legacy: url,
    databaseUrl: 'postgresql://user:password@127.0.0.1:9/small',
    edgePort: 9,
    edgeAddress: '127.0.0.1',
    authority: '127.0.0.1:9',
    resolvers: ['127.0.0.1:9'],
    ttlScale: 1,
  });
  const tier = (largestMib: number) => ({ ...config.worker.tiers.free, largestFile: largestMib * MIB });
  const tiers = { free: tier(25), pro: tier(100), enterprise: tier(500) };
  const worker = { ...config.worker, tiers, ...(uploadTypes === undefined ? {} : { uploadTypes }) };
  return { ...config, worker, transfer: { ...config.transfer, ...transfer } };
}

const judge = (limits: Partial<StorageLimits>, transfer: Partial<RolloutConfig['transfer']> = {}, types?: string[]) =>
  judgeLimits(app(transfer, types), { ...NOTHING, ...limits });

describe('what the Worker accepts', () => {
  it.each([
    ['there are none', {}],
    ['the project takes exactly as much', { projectBytes: 500 * MIB }],
    ['both take more', { bucketBytes: 600 * MIB, projectBytes: 5000 * MIB }],
    ['trying found none below it', { projectBy: 'trying' as const }],
  ])('stays as it is where the limits allow all of it: %s', (_name, limits) => {
    for (const legacyLimits of ['narrow', 'refuse'] as const)
      expect(judge(limits, { legacyLimits })).toMatchObject({ status: 'pass', measured: { narrowedTo: null } });
  });

  it.each([
    ['the project limit', { projectBytes: 52_428_800 }, 50 * MIB],
    ['the bucket limit', { bucketBytes: 10 * MIB, projectBytes: 52_428_800 }, 10 * MIB],
    ['a project limit below the bucket limit', { bucketBytes: 90 * MIB, projectBytes: 50 * MIB }, 50 * MIB],
  ])('is more than the old store takes back by %s: nothing is switched, or it is narrowed', (_name, limits, bytes) => {
    expect(judge(limits)).toMatchObject({
      status: 'fail',
      summary: `it takes ${bytes / MIB} MiB at most, and the Worker accepts 500 MiB: a rollback would lose such uploads`,
    });
    expect(judge(limits, { legacyLimits: 'narrow' })).toMatchObject({
      status: 'pass',
      measured: { narrowedTo: { largestBytes: bytes, types: null } },
      summary: expect.stringContaining(`until the watch is over the Worker accepts no more than ${bytes / MIB} MiB`),
    });
  });

  it('may be a type that the old store refuses: nothing is switched, or the other types are left', () => {
    const limits = { allowedTypes: ['audio/wav'], refusedTypes: ['audio/mpeg'] };
    const types = ['audio/wav', 'audio/mpeg'];
    expect(judge(limits, {}, types)).toMatchObject({
      status: 'fail',
      summary: 'it refuses audio/mpeg, which the Worker accepts: a rollback would lose such uploads',
    });
    expect(judge(limits, { legacyLimits: 'narrow' }, types)).toMatchObject({
      status: 'pass',
      measured: { narrowedTo: { largestBytes: null, types: ['audio/wav'] } },
    });
  });

  it.each([
    ['no type is left', { refusedTypes: ['audio/wav'] }],
    ['no size is left', { projectBytes: 0 }],
  ])('is not narrowed to nothing: %s', (_name, limits) => {
    expect(judge(limits, { legacyLimits: 'narrow' }, ['audio/wav'])).toMatchObject({
      status: 'fail',
      summary: expect.stringContaining('no upload would be left'),
    });
  });

  it('is not believed to fit limits that nobody can tell, until a person says them', () => {
    const unknown = { projectBy: 'nobody' as const };
    for (const legacyLimits of ['narrow', 'refuse'] as const)
      expect(judge(unknown, { legacyLimits })).toMatchObject({
        status: 'fail',
        summary: expect.stringContaining('transfer.legacyLargestBytes'),
      });
    expect(judge(unknown, { legacyLimits: 'narrow', legacyLargestBytes: 50 * MIB })).toMatchObject({
      status: 'pass',
      measured: { projectBy: 'config', narrowedTo: { largestBytes: 50 * MIB } },
    });
    expect(judge({ allowedTypes: ['audio/wav'] })).toMatchObject({
      status: 'fail',
      summary: expect.stringContaining('worker.uploadTypes'),
    });
  });
});

describe('production', () => {
  const asked: unknown[] = [];
  function context(limits: Partial<StorageLimits>, legacyLimits: 'narrow' | 'refuse') {
    const history: unknown[] = [];
    const config = app({ legacyLimits }, ['audio/wav', 'audio/mpeg']);
    const storageLimits = async (bucket: string, wanted: unknown): Promise<StorageLimits> => {
      asked.push([bucket, wanted]);
      return { ...NOTHING, ...limits };
    };
    const providers = { supabase: { production: { storageLimits } } };
    // The check asks for nothing else.
    const given = { config, providers, history: async () => history } as unknown as RolloutContext;
    const check = legacyLimitsCheck();
    return {
      given,
      judge: async () => {
        const verdict = await check.run(given);
        history.push({ kind: 'check.verdict', subject: check.id, data: { verdict } });
      },
    };
  }

  it('is bound to what preparation saw the old store take, each tier by itself', async () => {
    const { given, judge: decide } = context({ projectBytes: 50 * MIB, refusedTypes: ['audio/mpeg'] }, 'narrow');
    expect((await limitsWithinLegacy(given)).tiers.enterprise.largestFile).toBe(500 * MIB);
    await decide();
    const { tiers, types } = await limitsWithinLegacy(given);
    expect([tiers.free, tiers.pro, tiers.enterprise].map((tier) => tier.largestFile / MIB)).toEqual([25, 50, 50]);
    expect(types).toEqual(['audio/wav']);
    expect(asked.at(-1)).toEqual(['media', { largestBytes: 500 * MIB, types: ['audio/wav', 'audio/mpeg'] }]);
  });

  it('is bound as the config says where nothing has to be narrowed', async () => {
    const { given, judge: decide } = context({}, 'narrow');
    await decide();
    expect(await limitsWithinLegacy(given)).toEqual({
      tiers: given.config.worker.tiers,
      types: ['audio/wav', 'audio/mpeg'],
    });
  });
});
