import { createHash } from 'node:crypto';
import { errorText } from '../../rollout/error-text.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { sha256Of } from '../../transfer/object-body.ts';
import { silentResolvers } from './dns-back.ts';

/** Objects that are read by their public address, through each resolver. */
const SAMPLE = 5;

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/**
 * Reads as the old app's users do: public addresses on the media host, wherever each configured resolver leads, with
 * the bytes compared to the legacy store's. A resolver that is silent, as the journal says, leads nobody anywhere. For rollouts that nobody outside counts the public of.
 */
export async function readAsPublic(
  context: RolloutContext,
): Promise<{ requests: number; failed: number; fromEdge: number | null; first: string | null }> {
  const { providers, config } = context;
  const { worker, supabase } = config.environments.production;
  const keys: string[] = [];
  for await (const { key } of providers.legacyStore.list()) if (keys.push(key) === SAMPLE) break;
  const silent = await silentResolvers(context);
  const reads = keys
    .flatMap((key) => config.dns.resolvers.map((server, resolver) => ({ key, server, resolver })))
    .filter(({ server }) => !silent.has(server));
  const reasons = await Promise.all(
    reads.map(async ({ key, server, resolver }): Promise<{ failed: string | null; edge: boolean }> => {
      const path = key.split('/').map(encodeURIComponent).join('/');
      const url = `${worker.mediaOrigin}/storage/v1/object/public/${supabase.bucket}/${path}`;
      try {
        const [stored, answer] = await Promise.all([
          sha256Of(providers.legacyStore, key, context.signal),
          providers.http.request(url, { resolver }),
        ]);
        const edge = config.dns.edgeAddresses.includes(answer.address);
        if (answer.status !== 200) return { failed: `${server}: ${key}: HTTP ${answer.status}`, edge };
        const same = stored === sha256(answer.body);
        return { failed: same ? null : `${server}: ${key}: other bytes`, edge };
      } catch (error) {
        return { failed: `${server}: ${key}: ${errorText(error)}`, edge: false };
      }
    }),
  );
  return {
    requests: reasons.length,
    failed: reasons.filter(({ failed }) => failed !== null).length,
    fromEdge: reasons.filter(({ edge }) => edge).length,
    first: reasons.find(({ failed }) => failed !== null)?.failed ?? null,
  };
}
