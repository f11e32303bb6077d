import * as v from 'valibot';
import type { PlatformClock } from '../providers/providers.ts';

const answer = v.object({ expired: v.array(v.string()) });

/** The local cloud believes what time it is told; Cloudflare does not. */
export function createPlatformClock(controlUrl: string): PlatformClock {
  return {
    async expireObjects(bucket, nowMs) {
      const response = await fetch(`${controlUrl}/lifecycle`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ bucket, now: nowMs }),
      });
      if (!response.ok) throw new Error(`the platform's clock answered ${response.status}: ${await response.text()}`);
      return v.parse(answer, await response.json()).expired;
    },
  };
}
