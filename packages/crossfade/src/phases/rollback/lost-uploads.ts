import { createHash } from 'node:crypto';
import type { RolloutContext } from '../../rollout/context.ts';

/**
 * Compares, byte by byte through SHA-256, what the uploaders were told succeeded with what legacy holds.
 * `null` where nobody outside kept count.
 */
export async function countLostUploads({ providers, keep }: RolloutContext): Promise<number | null> {
  if (providers.audience === null) return null;
  const lost: { key: string; reason: string }[] = [];
  for (const upload of await providers.audience.uploads()) {
    const stored = await providers.legacyStore.get(upload.key);
    if (stored === null) {
      lost.push({ key: upload.key, reason: 'missing' });
      continue;
    }
    const hash = createHash('sha256');
    for await (const chunk of stored.body) hash.update(chunk);
    if (hash.digest('hex') !== upload.sha256) lost.push({ key: upload.key, reason: 'other bytes' });
  }
  await keep('rollback/lost-uploads.json', JSON.stringify(lost, null, 2));
  return lost.length;
}
