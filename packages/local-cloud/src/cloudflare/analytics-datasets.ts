import { answerDataset, equalTo, windowOf } from './analytics-rows.ts';
import type { Aggregates, AnalyticsRow } from './analytics-rows.ts';
import type { AccountStore } from './account-state.ts';
import type { GraphqlField } from './graphql-query.ts';
import type { EdgeRequest, WorkersRuntime } from './runtime-contract.ts';

export interface AnalyticsSources {
  readonly runtime: WorkersRuntime;
  readonly store: AccountStore;
}

export type Dataset = (field: GraphqlField, sources: AnalyticsSources) => object[] | Promise<object[]>;

interface RequestRow extends AnalyticsRow {
  readonly ms: number;
}

const countRows = (rows: readonly AnalyticsRow[]) => rows.length;

/** Runtime failures; an invocation that answered 500 by itself is no error here, as at the vendor. */
const failed = new Set(['scriptThrewException', 'internalError']);

/**
 * Microseconds. The edge measures wall time only: it stands for CPU time as its upper bound, so that a limit on CPU
 * time that holds here holds for the real figure too.
 */
const invocationAggregates: Aggregates<RequestRow> = {
  count: countRows,
  sum: {
    requests: countRows,
    errors: (rows) => rows.filter((row) => failed.has(String(row.dimensions['status']))).length,
  },
  quantiles: quantiles(['cpuTime', 'wallTime']),
};

/** Worker invocations by version and outcome. */
export const workersInvocationsAdaptive: Dataset = (field, { runtime }) => {
  const { since, until } = windowOf(field.args['filter'], Date.now());
  const script = equalTo(field.args['filter'], 'scriptName');
  const requests = runtime.edgeRequests({ since, until, ...(script === undefined ? {} : { script }) });
  const rows = requests
    .filter((one) => one.script !== '')
    .map((one) => ({
      at: one.at,
      ms: one.ms,
      dimensions: { scriptName: one.script, scriptVersion: one.versionId, status: one.outcome },
    }));
  return answerDataset(field, rows, ['scriptName', 'scriptVersion', 'status'], invocationAggregates);
};

/** What the edge answered for the zone's hosts, by HTTP status. */
export const httpRequestsAdaptiveGroups: Dataset = (field, { runtime }) => {
  const { since, until } = windowOf(field.args['filter'], Date.now());
  const host = equalTo(field.args['filter'], 'clientRequestHTTPHost');
  const requests = runtime.edgeRequests({ since, until, ...(host === undefined ? {} : { host }) });
  const dimensions = ['clientRequestHTTPHost', 'clientRequestHTTPMethodName', 'edgeResponseStatus'];
  return answerDataset(field, requests.map(httpRow), dimensions, { count: countRows });
};

function httpRow(one: EdgeRequest): AnalyticsRow {
  return {
    at: one.at,
    dimensions: {
      clientRequestHTTPHost: one.host,
      clientRequestHTTPMethodName: one.method,
      edgeResponseStatus: one.status,
    },
  };
}

/** R2 operations by bucket and action. */
export const r2OperationsAdaptiveGroups: Dataset = (field, { runtime }) => {
  const { since, until } = windowOf(field.args['filter'], Date.now());
  const bucket = equalTo(field.args['filter'], 'bucketName');
  const operations = runtime.r2Operations({ since, until, ...(bucket === undefined ? {} : { bucket }) });
  const rows = operations.map((one) => ({
    at: one.at,
    bytes: one.action === 'GetObject' ? one.bytes : 0,
    dimensions: { bucketName: one.bucket, actionType: one.action },
  }));
  return answerDataset(field, rows, ['bucketName', 'actionType'], {
    count: countRows,
    sum: {
      requests: countRows,
      responseBytes: (group) => group.reduce((sum, row) => sum + row.bytes, 0),
    },
  });
};

/** How far back the one storage sample that is taken at the query still speaks for the asked window, ms. */
const sampleReachMs = 5 * 60_000;

/** What the buckets hold. The sample is taken at the query, so a window that ended long ago has no data. */
export const r2StorageAdaptiveGroups: Dataset = async (field, { runtime, store }) => {
  const now = Date.now();
  const { since, until } = windowOf(field.args['filter'], now);
  const wanted = equalTo(field.args['filter'], 'bucketName');
  const known = until < now - sampleReachMs ? [] : store.current().buckets;
  const buckets = known.filter((one) => wanted === undefined || one.name === wanted);
  const rows = await Promise.all(
    buckets.map(async ({ name }) => ({
      at: Math.max(since, Math.min(now, until)),
      usage: await runtime.bucketUsage(name),
      dimensions: { bucketName: name },
    })),
  );
  type StorageRow = (typeof rows)[number];
  const most = (value: (row: StorageRow) => number) => (group: readonly StorageRow[]) => Math.max(...group.map(value));
  return answerDataset(field, rows, ['bucketName'], {
    max: {
      objectCount: most((row) => row.usage.objects),
      payloadSize: most((row) => row.usage.payloadBytes),
      metadataSize: most((row) => row.usage.metadataBytes),
    },
  });
};

/** `cpuTimeP50`, `wallTimeP99` and so on, by nearest rank, in microseconds. */
function quantiles(measures: readonly string[]) {
  const ranks = { P25: 0.25, P50: 0.5, P75: 0.75, P90: 0.9, P95: 0.95, P99: 0.99, P999: 0.999 };
  const all: Record<string, (rows: readonly RequestRow[]) => number> = {};
  for (const measure of measures) {
    for (const [name, rank] of Object.entries(ranks)) {
      all[`${measure}${name}`] = (rows) => {
        const sorted = rows.map((row) => row.ms).sort((a, b) => a - b);
        const found = sorted[Math.max(0, Math.ceil(rank * sorted.length) - 1)] ?? 0;
        return Math.round(found * 1000);
      };
    }
  }
  return all;
}
