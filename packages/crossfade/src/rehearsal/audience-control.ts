import * as v from 'valibot';
import type { AudienceLoad } from '@crossfade/local-cloud/audience/load';
import type { AudienceProvider } from '../providers/providers.ts';

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
  uploadsAccepted: v.number(),
});
const uploads = v.array(
  v.object({
    key: v.string(),
    sha256: v.string(),
    size: v.number(),
    at: v.string(),
    side: v.picklist(['legacy', 'edge']),
  }),
);

/** The audience of the local cloud, driven through its control API. */
export function createAudienceControl(controlUrl: string, load: AudienceLoad): AudienceProvider {
  const ask = async (path: string, body?: unknown): Promise<unknown> => {
    const response = await fetch(`${controlUrl}/audience/${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`the audience answered ${response.status} to ${path}`);
    return response.json();
  };
  return {
    async start() {
      await ask('start', load);
    },
    async stop() {
      await ask('stop', {});
    },
    stats: async () => v.parse(stats, await ask('stats')),
    uploads: async () => v.parse(uploads, await ask('uploads')),
  };
}
