import { pause } from '../rollout/pause.ts';
import type { RolloutContext } from '../rollout/context.ts';
import { verdict, type Verdict } from '../rollout/verdict.ts';

/**
 * Lets production run for a while and answers with what the edge counted in that time. Trouble ends it early from
 * outside (the sentinel races it); here only the whole of the time is judged. No data is a failure.
 */
export async function observeProduction(context: RolloutContext, forMs: number): Promise<Verdict> {
  const { config, providers } = context;
  const host = new URL(config.environments.production.worker.mediaOrigin).hostname;
  const since = Date.now();
  await pause(forMs, context.signal);
  const statuses = await providers.cloudflare.httpStatuses(host, since, Date.now());
  const requests = statuses.reduce((sum, one) => sum + one.requests, 0);
  const failed = statuses.filter((one) => one.status >= 500).reduce((sum, one) => sum + one.requests, 0);
  const rate = requests === 0 ? 1 : failed / requests;
  return verdict(requests >= config.trouble.minimumRequests && rate < config.targets.errorRate, {
    summary: `${requests} requests in ${Math.round((Date.now() - since) / 1000)} s at the edge, ${failed} failed`,
    measured: { requests, failed, errorRate: rate },
    expected: { requests: `>= ${config.trouble.minimumRequests}`, errorRate: `< ${config.targets.errorRate}` },
  });
}
