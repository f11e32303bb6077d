import * as v from 'valibot';
import type { RolloutConfig } from '../../rollout/config.ts';
import { ProviderError } from '../provider-error.ts';
import type { CloudflareProvider } from '../providers.ts';
import { graphql } from './answers.ts';
import type { CloudflareApi } from './api-call.ts';

type Analytics = Pick<CloudflareProvider, 'httpStatuses' | 'workerInvocations' | 'r2Operations' | 'r2Storage'>;

const LIMIT = 1000;
/** The sentinel asks twice a second: an old question that is still being repeated would keep it from the next. */
const ATTEMPTS = 3;
/** The vendor counts CPU and wall time in microseconds. */
const MICROSECONDS = 1000;
/** How far back a bucket's size is looked for, ms: the vendor measures it a few times a day. */
const STORAGE_WINDOW_MS = 24 * 3600_000;

const statuses = v.array(v.object({ count: v.number(), dimensions: v.object({ edgeResponseStatus: v.number() }) }));
const invocations = v.array(
  v.object({
    sum: v.object({ requests: v.number(), errors: v.number() }),
    quantiles: v.object({ cpuTimeP50: v.number(), wallTimeP99: v.optional(v.nullable(v.number()), null) }),
    dimensions: v.object({ scriptVersion: v.string() }),
  }),
);
const operations = v.array(
  v.object({ sum: v.object({ requests: v.number() }), dimensions: v.object({ actionType: v.string() }) }),
);
const storage = v.array(
  v.object({ max: v.object({ objectCount: v.number(), payloadSize: v.number(), metadataSize: v.number() }) }),
);

const failed = (message: string): ProviderError =>
  new ProviderError('Cloudflare', 'POST /graphql', { status: 200, code: 'graphql', message });

const iso = (ms: number): string => new Date(ms).toISOString();

/** Cloudflare's GraphQL analytics. An empty answer means no data, which is not the same as no trouble. */
export function createAnalytics(
  { accountId, zoneId }: RolloutConfig['cloudflare'],
  { callBare }: CloudflareApi,
): Analytics {
  const ask = async (query: string, variables: Record<string, unknown>) => {
    const { data, errors } = await callBare('post', '/graphql', graphql, {
      body: { query, variables },
      repeat: true,
      attempts: ATTEMPTS,
    });
    const [first] = errors ?? [];
    // GraphQL answers 200 with errors: they are failures all the same.
    if (first !== undefined) throw failed(first.message);
    return data;
  };
  const parse = <Schema extends v.GenericSchema>(schema: Schema, groups: unknown): v.InferOutput<Schema> => {
    const parsed = v.safeParse(schema, groups ?? []);
    if (!parsed.success)
      throw failed(`an answer of an unknown shape at ${v.getDotPath(parsed.issues[0]) ?? 'its root'}`);
    return parsed.output;
  };
  const inAccount = async <Schema extends v.GenericSchema>(
    dataset: string,
    schema: Schema,
    query: string,
    variables: Record<string, unknown>,
  ): Promise<v.InferOutput<Schema>> => {
    const data = await ask(query, { accountTag: accountId, limit: LIMIT, ...variables });
    return parse(schema, data?.viewer.accounts[0]?.[dataset]);
  };
  return {
    async httpStatuses(host, sinceMs, untilMs) {
      const data = await ask(
        `query ($zoneTag: string!, $host: string!, $since: Time!, $until: Time!, $limit: uint64!) { viewer { zones(filter: {zoneTag: $zoneTag}) {
          httpRequestsAdaptiveGroups(limit: $limit, filter: {clientRequestHTTPHost: $host, datetime_geq: $since, datetime_leq: $until}) {
            count dimensions { edgeResponseStatus } } } } }`,
        { zoneTag: zoneId, host, since: iso(sinceMs), until: iso(untilMs), limit: LIMIT },
      );
      const groups = parse(statuses, data?.viewer.zones[0]?.['httpRequestsAdaptiveGroups']);
      return groups.map(({ count, dimensions }) => ({ status: dimensions.edgeResponseStatus, requests: count }));
    },
    async workerInvocations(script, sinceMs, untilMs) {
      const groups = await inAccount(
        'workersInvocationsAdaptive',
        invocations,
        `query ($accountTag: string!, $script: string!, $since: Time!, $until: Time!, $limit: uint64!) { viewer { accounts(filter: {accountTag: $accountTag}) {
          workersInvocationsAdaptive(limit: $limit, filter: {scriptName: $script, datetime_geq: $since, datetime_leq: $until}) {
            sum { requests errors } quantiles { cpuTimeP50 wallTimeP99 } dimensions { scriptVersion } } } } }`,
        { script, since: iso(sinceMs), until: iso(untilMs) },
      );
      return groups.map(({ sum, quantiles, dimensions }) => ({
        versionId: dimensions.scriptVersion,
        requests: sum.requests,
        errors: sum.errors,
        cpuTimeP50Ms: quantiles.cpuTimeP50 / MICROSECONDS,
        wallTimeP99Ms: quantiles.wallTimeP99 === null ? null : quantiles.wallTimeP99 / MICROSECONDS,
      }));
    },
    async r2Operations(bucket, sinceMs, untilMs) {
      const groups = await inAccount(
        'r2OperationsAdaptiveGroups',
        operations,
        `query ($accountTag: string!, $bucket: string!, $since: Time!, $until: Time!, $limit: uint64!) { viewer { accounts(filter: {accountTag: $accountTag}) {
          r2OperationsAdaptiveGroups(limit: $limit, filter: {bucketName: $bucket, datetime_geq: $since, datetime_leq: $until}) {
            sum { requests } dimensions { actionType } } } } }`,
        { bucket, since: iso(sinceMs), until: iso(untilMs) },
      );
      return groups.map(({ sum, dimensions }) => ({ action: dimensions.actionType, requests: sum.requests }));
    },
    async r2Storage(bucket) {
      const now = Date.now();
      const [group] = await inAccount(
        'r2StorageAdaptiveGroups',
        storage,
        `query ($accountTag: string!, $bucket: string!, $since: Time!, $until: Time!, $limit: uint64!) { viewer { accounts(filter: {accountTag: $accountTag}) {
          r2StorageAdaptiveGroups(limit: $limit, filter: {bucketName: $bucket, datetime_geq: $since, datetime_leq: $until}) {
            max { objectCount payloadSize metadataSize } } } } }`,
        { bucket, since: iso(now - STORAGE_WINDOW_MS), until: iso(now) },
      );
      return group === undefined
        ? null
        : {
            objects: group.max.objectCount,
            payloadBytes: group.max.payloadSize,
            metadataBytes: group.max.metadataSize,
          };
    },
  };
}
