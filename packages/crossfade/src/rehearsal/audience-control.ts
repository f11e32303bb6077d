import * as v from 'valibot';
import type { AudienceLoad, WriteRates } from '@crossfade/local-cloud/audience/load';
import type { AudienceProvider } from '../providers/providers.ts';

const counts = v.object({ uploads: v.number(), overwrites: v.number(), deletes: v.number() });
const stats = v.object({
  requests: v.number(),
  failed: v.number(),
  longestGapMs: v.number(),
  p50Ms: v.number(),
  p99Ms: v.number(),
  reasons: v.array(v.object({ reason: v.string(), count: v.number(), planted: v.boolean() })),
  seconds: v.array(
    v.object({ at: v.string(), ok: v.number(), failed: v.number(), legacy: v.number(), edge: v.number() }),
  ),
  firstFailureAt: v.nullable(v.string()),
  lastFailureAt: v.nullable(v.string()),
  written: v.object({ legacy: counts, edge: counts }),
  seed: v.nullable(v.number()),
});
const kind = v.picklist(['upload', 'overwrite', 'delete']);
const told = v.object({
  keys: v.array(
    v.object({
      key: v.string(),
      may: v.array(v.nullable(v.string())),
      last: v.nullable(kind),
      side: v.nullable(v.picklist(['legacy', 'edge'])),
      version: v.number(),
    }),
  ),
  writes: v.array(
    v.object({
      key: v.string(),
      kind,
      side: v.picklist(['legacy', 'edge']),
      at: v.string(),
      outcome: v.picklist(['succeeded', 'unknown']),
    }),
  ),
});

function asking(controlUrl: string): (path: string, body?: unknown) => Promise<unknown> {
  return async (path, body) => {
    const response = await fetch(`${controlUrl}/audience/${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`the audience answered ${response.status} to ${path}`);
    return response.json();
  };
}

/** From now on uploaders write so often beside the listeners. */
export async function setWriteRates(controlUrl: string, rates: WriteRates): Promise<void> {
  await asking(controlUrl)('write', rates);
}

/** Other listeners come in the place of those who are at rest: new users, counted from zero, with a seed of their own. */
export async function renewAudience(controlUrl: string): Promise<void> {
  await asking(controlUrl)('renew', {});
}

/** The audience of the local cloud, driven through its control API; `load` is asked for each time it starts. */
export function createAudienceControl(controlUrl: string, load: () => AudienceLoad): AudienceProvider {
  const ask = asking(controlUrl);
  return {
    async start() {
      await ask('start', load());
    },
    async stop() {
      await ask('stop', {});
    },
    stats: async () => v.parse(stats, await ask('stats')),
    told: async () => v.parse(told, await ask('told')),
  };
}
