import type { CloudflareProvider } from '../providers/providers.ts';
import type { RolloutContext } from '../rollout/context.ts';
import type { ProductionMetrics } from '../rollout/report-shapes.ts';
import { costPerHour } from './cost.ts';

const WINDOW_MS = 10_000;

/** One reading of production's metrics over the last ten seconds; what nobody measures is `null`. */
export async function readMetrics({ config, providers }: RolloutContext): Promise<ProductionMetrics> {
  const { worker } = config.environments.production;
  const host = new URL(worker.mediaOrigin).hostname;
  const now = Date.now();
  const since = now - WINDOW_MS;
  const seconds = WINDOW_MS / 1000;
  const [frontend, statuses, invocations, operations, storage, connections] = await Promise.all([
    readFrontend(providers.cloudflare, worker.telemetryDataset, now),
    providers.cloudflare.httpStatuses(host, since, now),
    providers.cloudflare.workerInvocations(worker.name, since, now),
    providers.cloudflare.r2Operations(worker.bucket, since, now),
    providers.cloudflare.r2Storage(worker.bucket),
    providers.database.production.query<{ n: string }>(
      'select count(*) n from pg_stat_activity where datname = current_database()',
    ),
  ]);
  const requests = sum(statuses.map((one) => one.requests));
  const failed = sum(statuses.filter((one) => one.status >= 500).map((one) => one.requests));
  const by = (actions: readonly string[]): number =>
    sum(operations.filter((one) => actions.includes(one.action)).map((one) => one.requests));
  const wall = invocations.map((one) => one.wallTimeP99Ms).filter((ms) => ms !== null);
  return {
    worker: {
      requestRate: requests / seconds,
      errorRate: requests === 0 ? null : failed / requests,
      responseTime: wall.length === 0 ? null : Math.max(...wall),
      activeConnections: null,
    },
    r2: {
      uploadRate: by(['PutObject', 'CompleteMultipartUpload']) / seconds,
      downloadRate: by(['GetObject']) / seconds,
      storageUsage: storage?.payloadBytes ?? null,
      costPerHour: costPerHour(config.usage.prices, {
        storedBytes: storage === null ? null : storage.payloadBytes + storage.metadataBytes,
        seconds,
        operations,
        workerRequests: requests,
      }),
    },
    frontend,
    system: {
      cpuUsage: null,
      memoryUsage: null,
      networkLatency: null,
      databaseConnections: Number(connections[0]?.n ?? 0),
    },
  };
}

/** So far back browsers' timings are counted: they come seldom, s. */
const FRONTEND_SECONDS = 60;

/** What browsers told in the last minute; a rate of which nobody told anything is `null`. */
async function readFrontend(
  cloudflare: Pick<CloudflareProvider, 'telemetry'>,
  dataset: string,
  now: number,
): Promise<ProductionMetrics['frontend']> {
  const since = Math.floor(now / 1000) - FRONTEND_SECONDS;
  const rows = await cloudflare.telemetry(
    `SELECT blob2 AS name, blob3 AS status, SUM(double2) AS n FROM ${dataset} WHERE blob1 = 'rum' AND timestamp > toDateTime(${since}) GROUP BY name, status FORMAT JSON`,
  );
  const count = (name: string, status?: string): number =>
    sum(
      rows
        .filter((row) => row['name'] === name && (status === undefined || row['status'] === status))
        .map((row) => Number(row['n'])),
    );
  const rate = (name: string): number | null => (count(name) === 0 ? null : count(name, 'ok') / count(name));
  const told = sum(rows.map((row) => Number(row['n'])));
  return {
    userSessions: told === 0 ? null : count('session'),
    uploadSuccessRate: rate('upload'),
    previewSuccessRate: rate('preview-start'),
    errorRate: told === 0 ? null : count('error') / told,
  };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/**
 * Records a sample at a fixed interval until stopped. A sample that cannot be taken is recorded as a note, once
 * for each different reason: the dashboard then shows a gap, never an old value.
 */
export function startSampler(context: RolloutContext, everyMs: number): { stop(): Promise<void> } {
  const stopped = new AbortController();
  const told = new Set<string>();
  const loop = (async () => {
    while (!stopped.signal.aborted) {
      const next = performance.now() + everyMs;
      try {
        const [metrics, stats] = await Promise.all([readMetrics(context), context.providers.audience?.stats() ?? null]);
        const second = stats?.seconds.at(-1) ?? null;
        await context.record({
          kind: 'metrics.sampled',
          data: {
            metrics,
            traffic:
              stats === null
                ? null
                : {
                    requests: stats.requests,
                    failed: stats.failed,
                    longestGapMs: stats.longestGapMs,
                    p50Ms: stats.p50Ms,
                    p99Ms: stats.p99Ms,
                  },
            second:
              second === null
                ? null
                : { ok: second.ok, failed: second.failed, legacy: second.legacy, edge: second.edge },
          },
        });
      } catch (error) {
        const text = `no sample: ${error instanceof Error ? error.message : String(error)}`;
        if (!told.has(text))
          await context.record({ kind: 'note', data: { text }, subject: 'metrics' }).catch(() => null);
        told.add(text);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(0, next - performance.now()));
        stopped.signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
      });
    }
  })();
  return {
    async stop() {
      stopped.abort();
      await loop;
    },
  };
}
