import { describe, expect, it } from 'vitest';
import type { DnsRecord, LifecycleRule, Providers } from '../../providers/providers.ts';
import type { RolloutConfig } from '../../rollout/config.ts';
import { foreignParts } from './ownership.ts';

const config = {
  dns: { edgeRecord: { type: 'A', content: '192.0.2.1' } },
  environments: {
    staging: {
      worker: { name: 'api', limitsName: 'api-limits', bucket: 'media', mediaOrigin: 'https://media.example.com' },
    },
  },
} as unknown as RolloutConfig;

/** An account with these things in it. */
function account(has: {
  tags?: string[];
  rules?: string[] | null;
  keys?: string[];
  route?: string | null;
  records?: Partial<DnsRecord>[];
}): Providers {
  const { tags = [], rules = null, keys = [], route = null, records = [] } = has;
  const record = { id: 'd', type: 'A', name: 'media.example.com', content: '192.0.2.1', proxied: true, comment: null };
  const rule = (id: string): LifecycleRule => ({ id, enabled: true, conditions: { prefix: '' } });
  return {
    cloudflare: {
      listVersions: async (name: string) => (name === 'api' ? tags.map((tag) => ({ tag })) : []),
      getBucket: async () => (rules === null ? null : { name: 'media' }),
      getLifecycle: async () => (rules ?? []).map(rule),
      listDnsRecords: async () => records.map((fields) => ({ ...record, ...fields })),
      listRoutes: async () => (route === null ? [] : [{ id: 'r', pattern: 'media.example.com/*', script: route }]),
    },
    r2: {
      staging: {
        async *list() {
          for (const key of keys) yield { key };
        },
      },
    },
  } as unknown as Providers;
}
const foreign = (has: Parameters<typeof account>[0]): Promise<string[]> =>
  foreignParts({ config, providers: account(has) }, 'staging');

describe('what stands under the names of staging', () => {
  it.each([
    ['nothing at all', {}],
    [
      'what Crossfade made',
      { tags: ['migration-0123456789abcdef'], rules: ['crossfade-abort-uploads'], keys: ['a'], route: 'api' },
    ],
    ['an older version of somebody else below ours', { tags: ['bypass-0123456789abcdef', 'release 7'] }],
    ['a record of ours that somebody changed', { records: [{ content: '203.0.113.7', comment: 'crossfade: media' }] }],
    ['a record of somebody else that is just what is wanted', { records: [{}] }],
    ['a text beside the name', { records: [{ type: 'TXT', content: 'v=spf1' }] }],
    ['an empty bucket', { rules: ['Default Multipart Abort Rule'] }],
  ])('is taken when it is %s', async (_name, has) => {
    expect(await foreign(has)).toEqual([]);
  });

  it.each([
    ['a Worker of somebody else', { tags: ['release 7'] }, 'the Worker api has 1 versions, none of them uploaded'],
    [
      'a bucket with somebody else’s files',
      { rules: ['theirs'], keys: ['song.mp3'] },
      'the bucket media holds song.mp3',
    ],
    [
      'a record of somebody else',
      { records: [{ proxied: false }] },
      'the DNS record A media.example.com → 192.0.2.1 was',
    ],
    ['a route of somebody else', { route: 'shop' }, 'belongs to the Worker shop'],
  ])('is left alone when it is %s', async (_name, has, says) => {
    expect(await foreign(has)).toEqual([expect.stringContaining(says)]);
  });

  it('is left alone when it is a second record beside the wanted one', async () => {
    expect(await foreign({ records: [{}, { type: 'AAAA', content: '2001:db8::7' }] })).toHaveLength(2);
  });

  it("does not count production's record, which is the app's own until the cutover", async () => {
    const own = { environments: { production: config.environments.staging }, dns: config.dns } as RolloutConfig;
    const providers = account({ records: [{ content: '203.0.113.7', proxied: false }] });
    expect(await foreignParts({ config: own, providers }, 'production')).toEqual([]);
  });
});
