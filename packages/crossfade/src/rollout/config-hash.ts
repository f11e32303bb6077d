import { createHash } from 'node:crypto';
import type { RolloutConfig } from './config.ts';
import { createRedaction, secretsOf } from './redaction.ts';

/** What evidence is bound to: another config must be proven anew. Credentials may be rotated without that. */
export function configHash(config: RolloutConfig): string {
  const { text } = createRedaction(secretsOf(config));
  return createHash('sha256')
    .update(text(JSON.stringify(config)))
    .digest('hex');
}
