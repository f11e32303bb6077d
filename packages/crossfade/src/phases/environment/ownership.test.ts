import { describe, expect, it } from 'vitest';
import type { LifecycleRule, Providers } from '../../providers/providers.ts';
import type { RolloutConfig } from '../../rollout/config.ts';
import { foreignParts } from './ownership.ts';

const config = {
  environments: {
    staging: {
      worker: { name: 'api', limitsName: 'api-limits', bucket: 'media', mediaOrigin: 'https://media.example.com' },
    },
  },
} as unknown as RolloutConfig;

/** An account with these things in it. */
function account(has: { tags?: string[]; rules?: string[] | null; keys?: string[]; route?: string | null }): Providers {
  const { tags = [], rules = null, keys = [], route = null } = has;
  const rule = (id: string): LifecycleRule => ({ id, enabled: true, conditions: { prefix: '' } });
  return {
    cloudflare: {
      listVersions: async (name: string) => (name === 'api' ? tags.map((tag) => ({ tag })) : []),
      getBucket: async () => (rules === null ? null : { name: 'media' }),
      getLifecycle: async () => (rules ?? []).map(rule),
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
    ['a route of somebody else', { route: 'shop' }, 'belongs to the Worker shop'],
  ])('is left alone when it is %s', async (_name, has, says) => {
    expect(await foreign(has)).toEqual([expect.stringContaining(says)]);
  });
});
