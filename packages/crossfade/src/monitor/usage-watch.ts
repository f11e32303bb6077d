import type { RolloutConfig } from '../rollout/config.ts';
import type { RolloutContext } from '../rollout/context.ts';
import { errorText } from '../rollout/error-text.ts';
import type { Json } from '../rollout/json.ts';
import type { AlertBook } from './alerts.ts';
import { seconds } from './burn-rate.ts';
import { costPerHour } from './cost.ts';
import type { AlertRule } from './trouble.ts';

/** A window is looked at so many times, but not more often than this, ms. */
const LOOKS = 60;
const SHORTEST_PAUSE_MS = 2000;
/** A rate over less than this share of the window is no rate yet. */
const ENOUGH = 1 / 12;

/** What production was used for in one window. `null`: the vendor has no number. */
export interface Usage {
  readonly quotaRefusals: number;
  /** USD. */
  readonly costPerHour: number | null;
  readonly requestsPerSecond: number;
  readonly newUsers: number;
  readonly largeUploads: number;
}

/** As long as this run has it: the plan's window, scaled as the burn rates' are. */
export function usageWindowMs({ usage, durations }: Pick<RolloutConfig, 'usage' | 'durations'>): number {
  const { plannedMs, deadlineMs } = durations.monitor;
  return Math.max(1000, Math.round(usage.windowMs * (plannedMs === 0 ? 1 : deadlineMs / plannedMs)));
}

/** Reads all of it, between two times (epoch ms). @throws ProviderError */
export async function readUsage(context: RolloutContext, sinceMs: number, untilMs: number): Promise<Usage> {
  const { config, providers } = context;
  const { worker } = config.environments.production;
  const host = new URL(worker.mediaOrigin).hostname;
  const { cloudflare, database } = providers;
  const since = new Date(sinceMs).toISOString();
  const [refused, statuses, operations, storage, users, uploads] = await Promise.all([
    cloudflare.telemetry(
      `SELECT SUM(double2) AS n FROM ${worker.telemetryDataset} WHERE blob1 = 'refused' AND timestamp >= toDateTime(${Math.floor(sinceMs / 1000)}) FORMAT JSON`,
    ),
    cloudflare.httpStatuses(host, sinceMs, untilMs),
    cloudflare.r2Operations(worker.bucket, sinceMs, untilMs),
    cloudflare.r2Storage(worker.bucket),
    database.production.query<{ n: string }>('select count(*) as n from auth.users where created_at >= $1', [since]),
    database.production.query<{ n: string }>(
      'select count(*) as n from uploads where created_at >= $1 and size_bytes >= $2',
      [since, config.usage.largeUploadBytes],
    ),
  ]);
  const requests = statuses.reduce((total, one) => total + one.requests, 0);
  const span = (untilMs - sinceMs) / 1000;
  return {
    quotaRefusals: Number(refused[0]?.['n'] ?? 0),
    costPerHour: costPerHour(config.usage.prices, {
      storedBytes: storage === null ? null : storage.payloadBytes + storage.metadataBytes,
      seconds: span,
      operations,
      workerRequests: requests,
    }),
    requestsPerSecond: span > 0 ? requests / span : 0,
    newUsers: Number(users[0]?.n ?? 0),
    largeUploads: Number(uploads[0]?.n ?? 0),
  };
}

interface UsageState {
  readonly rule: AlertRule;
  readonly measure: string;
  /** `null`: nothing can be said. */
  readonly firing: boolean | null;
  readonly measured: Json;
  readonly expected: Json;
}

/** What fires by these numbers. `whole`: the window was observed for long enough to speak of rates. */
export function judgeUsage(usage: Usage, limits: RolloutConfig['usage'], whole: boolean): UsageState[] {
  const { quotaRefusals, requestsPerSecond, newUsers, largeUploads } = usage;
  const cost = usage.costPerHour;
  return [
    {
      rule: 'quotaExceeded',
      measure: 'requests refused for a quota',
      firing: quotaRefusals > limits.quotaRefusals,
      measured: { refused: quotaRefusals },
      expected: { refused: `<= ${limits.quotaRefusals}` },
    },
    {
      rule: 'highCostRate',
      measure: 'cost of R2 and Workers by the price list',
      firing: cost === null || !whole ? null : cost > limits.costPerHour,
      measured: { usdPerHour: cost },
      expected: { usdPerHour: `<= ${limits.costPerHour}` },
    },
    {
      rule: 'highUsage',
      measure: 'requests at the edge',
      firing: whole ? requestsPerSecond > limits.requestsPerSecond : null,
      measured: { perSecond: requestsPerSecond },
      expected: { perSecond: `<= ${limits.requestsPerSecond}` },
    },
    {
      rule: 'newUserSignup',
      measure: 'users who signed up',
      firing: newUsers >= limits.newUsers,
      measured: { users: newUsers },
      expected: { users: `< ${limits.newUsers}` },
    },
    {
      rule: 'largeUpload',
      measure: `uploads of ${limits.largeUploadBytes} bytes or more`,
      firing: largeUploads > 0,
      measured: { uploads: largeUploads },
      expected: { uploads: 0 },
    },
  ];
}

/**
 * Looks at cost, quotas and use beside the sentinel, and fires and resolves their alerts. None of them rolls back, so a
 * provider that does not answer is noted, once for each reason, and asked again.
 */
export function startUsageWatch(context: RolloutContext, alerts: AlertBook): { stop(): Promise<void> } {
  const { usage: limits } = context.config;
  const windowMs = usageWindowMs(context.config);
  const began = Date.now();
  const stopped = new AbortController();
  const told = new Set<string>();
  const look = async (): Promise<void> => {
    const now = Date.now();
    // What was before the watch is not of this rollout.
    const since = Math.max(began, now - windowMs);
    const states = judgeUsage(await readUsage(context, since, now), limits, now - since >= windowMs * ENOUGH);
    if (stopped.signal.aborted) return;
    for (const { rule, measure, firing, measured, expected } of states) {
      const trouble = {
        measure: `${measure} within ${seconds(windowMs)}`,
        measured,
        expected,
        since: new Date(since).toISOString(),
      };
      if (firing === true) alerts.fire(rule, trouble, 'Nothing is rolled back for it.');
      if (firing === false) alerts.resolve(rule, measured);
    }
  };
  const loop = (async () => {
    while (!stopped.signal.aborted) {
      await look().catch(async (error: unknown) => {
        const text = `cost, quotas and use could not be read: ${errorText(error)}`;
        if (told.has(text) || stopped.signal.aborted) return;
        told.add(text);
        await context.record({ kind: 'note', data: { text }, subject: 'usage' });
      });
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(SHORTEST_PAUSE_MS, windowMs / LOOKS));
        stopped.signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
      });
    }
  })();
  // A journal that does not take the note is told by `stop`; until then it must not end the process.
  loop.catch(() => {});
  return {
    async stop() {
      stopped.abort();
      await loop;
    },
  };
}
