import type { RolloutConfig } from '../../rollout/config.ts';
import type { CloudflareProvider } from '../providers.ts';
import { createAnalytics } from './analytics.ts';
import * as shape from './answers.ts';
import { createCloudflareApi, type CloudflareApi } from './api-call.ts';
import { createBuckets } from './buckets.ts';
import { createHyperdrives } from './hyperdrive.ts';
import { createQueues } from './queues.ts';
import { createSippy } from './sippy.ts';
import { createSuperSlurper } from './super-slurper.ts';
import { createWorkers } from './workers.ts';
import { createZone } from './zone.ts';

/**
 * Cloudflare's API v4. In a rehearsal only the base URL and the token differ. What changes something is made again after
 * a passing fault, once it was seen not to be done; `pace` is a share of the pauses.
 */
export function createCloudflareProvider(
  config: RolloutConfig['cloudflare'],
  api: CloudflareApi = createCloudflareApi(config),
  pace = 1,
): CloudflareProvider {
  return {
    ...createWorkers(api, `/accounts/${config.accountId}/workers/scripts`, pace),
    ...createQueues(api, `/accounts/${config.accountId}/queues`, pace),
    async telemetry(sql) {
      const path = `/accounts/${config.accountId}/analytics_engine/sql`;
      return (await api.sendText(path, sql, shape.telemetry)).data;
    },
    ...createBuckets(api, `/accounts/${config.accountId}/r2/buckets`, pace),
    ...createHyperdrives(api, `/accounts/${config.accountId}/hyperdrive/configs`, pace),
    ...createSuperSlurper(api, `/accounts/${config.accountId}/slurper/jobs`),
    ...createSippy(api, `/accounts/${config.accountId}/r2/buckets`, pace),
    ...createZone(api, `/zones/${config.zoneId}`, pace),
    ...createAnalytics(config, api),
  };
}
