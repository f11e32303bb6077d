import * as v from 'valibot';
import type { EnvironmentConfig } from '../../rollout/config.ts';
import { exchange, readJson, refusal, type Call } from '../http/exchange.ts';
import { isNotFound, malformed, ProviderError } from '../provider-error.ts';
import type { SupabaseProvider } from '../providers.ts';
import { retrying } from '../retry.ts';
import { bucketLimits, findStorageLimits, isClosed, storageConfig, takesUpload } from './storage-limits.ts';

const PROVIDER = 'Supabase';
const TIMEOUT_MS = 15_000;
/** The log answers for a day at most in one question. */
const LOG_SPAN_MS = 24 * 60 * 60 * 1000;
const STORAGE_BY_AGENT = `select headers.user_agent as agent, count(*) as requests from edge_logs
cross join unnest(metadata) as m cross join unnest(m.request) as request cross join unnest(request.headers) as headers
where request.path like '/storage/v1/%' group by agent order by requests desc limit 1000`;

const session = v.object({ access_token: v.string(), user: v.object({ id: v.string() }) });
const bucket = v.object({ id: v.string(), public: v.boolean() });
const agents = v.object({
  result: v.nullable(v.array(v.object({ agent: v.nullable(v.string()), requests: v.number() }))),
  error: v.optional(v.unknown()),
});
/** Storage answers HTTP 400 for nearly every error; the real status is in the body. Auth says `msg`. */
const failure = v.object({
  statusCode: v.optional(v.union([v.string(), v.number()])),
  message: v.optional(v.string()),
  msg: v.optional(v.string()),
  error_code: v.optional(v.string()),
  error: v.optional(v.string()),
  code: v.optional(v.union([v.string(), v.number()])),
});

/** One Supabase project: Auth, Storage's buckets, and what the vendor counted. */
export function createSupabaseProvider(
  config: Pick<EnvironmentConfig['supabase'], 'url' | 'anonKey' | 'serviceKey' | 'management'>,
): SupabaseProvider {
  const { management } = config;
  const ask = <Schema extends v.GenericSchema>(
    schema: Schema,
    method: 'GET' | 'PUT' | 'POST',
    url: string,
    token: string,
    body?: { readonly json: unknown; readonly secret?: string },
  ): Promise<v.InferOutput<Schema>> => {
    const call: Call = {
      provider: PROVIDER,
      operation: `${method} ${new URL(url).pathname}`,
      method,
      url,
      headers: {
        apikey: config.anonKey,
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body.json) }),
      timeoutMs: TIMEOUT_MS,
      secrets: [config.anonKey, config.serviceKey, token, ...(body?.secret === undefined ? [] : [body.secret])],
    };
    return retrying(async () => {
      const answer = await exchange(call);
      if (answer.status >= 400) throw refused(call, answer);
      const parsed = v.safeParse(schema, readJson(call, answer));
      if (!parsed.success) throw malformed(call, answer.status);
      return parsed.output;
    });
  };
  const bucketUrl = (id: string): string => `${config.url}/storage/v1/bucket/${encodeURIComponent(id)}`;

  return {
    async signIn(email, password) {
      const url = `${config.url}/auth/v1/token?grant_type=password`;
      const { access_token, user } = await ask(session, 'POST', url, config.anonKey, {
        json: { email, password },
        secret: password,
      });
      return { accessToken: access_token, userId: user.id };
    },
    async getBucket(id) {
      try {
        return await ask(bucket, 'GET', bucketUrl(id), config.serviceKey);
      } catch (error) {
        if (isNotFound(error)) return null;
        throw error;
      }
    },
    async setBucketPublic(id, isPublic) {
      await ask(v.unknown(), 'PUT', bucketUrl(id), config.serviceKey, { json: { public: isPublic } });
    },
    async storageLimits(id, wanted) {
      const limits = await ask(bucketLimits, 'GET', bucketUrl(id), config.serviceKey);
      async function told(): Promise<number | null> {
        if (management === undefined) return null;
        const url = `${management.apiUrl}/v1/projects/${management.ref}/config/storage`;
        try {
          return (await ask(storageConfig, 'GET', url, management.token)).fileSizeLimit;
        } catch (error) {
          // A token for the log alone: the limit is found by trying.
          if (isClosed(error)) return null;
          throw error;
        }
      }
      return findStorageLimits({ bucket: limits, told, takes: (bytes) => takesUpload(config, id, bytes) }, wanted);
    },
    async storageAgents(sinceMs, untilMs) {
      if (management === undefined) {
        throw new ProviderError(PROVIDER, 'logs.all', {
          status: null,
          message: 'no management token is configured, so nobody can tell whether legacy is still used',
          retryable: false,
          hint: "make a personal access token in Supabase's dashboard and configure it (supabase.management)",
        });
      }
      const counts = new Map<string, number>();
      for (let from = sinceMs; from < untilMs; from += LOG_SPAN_MS) {
        const query = new URLSearchParams({
          sql: STORAGE_BY_AGENT,
          iso_timestamp_start: new Date(from).toISOString(),
          iso_timestamp_end: new Date(Math.min(untilMs, from + LOG_SPAN_MS)).toISOString(),
        });
        const url = `${management.apiUrl}/v1/projects/${management.ref}/analytics/endpoints/logs.all?${query}`;
        const { result, error } = await ask(agents, 'GET', url, management.token);
        if (result === null)
          throw new ProviderError(PROVIDER, 'logs.all', {
            status: null,
            message: `the log was not told: ${JSON.stringify(error)}`,
            retryable: false,
          });
        for (const { agent, requests } of result) counts.set(agent ?? '', (counts.get(agent ?? '') ?? 0) + requests);
      }
      return [...counts].map(([agent, requests]) => ({ agent, requests }));
    },
  };
}

function refused(call: Call, answer: Parameters<typeof refusal>[1]): ProviderError {
  let body: unknown = null;
  try {
    body = JSON.parse(answer.text);
  } catch {
    // An error page of something in front of the vendor: the status is all that it says.
  }
  const parsed = v.safeParse(failure, body);
  if (!parsed.success) return refusal(call, answer, { code: null, message: 'no reason given' });
  const { statusCode, code, error_code, error, message, msg } = parsed.output;
  const vendorCode = error_code ?? code ?? error ?? null;
  const status = Number(statusCode);
  return refusal(call, answer, {
    code: vendorCode === null ? null : String(vendorCode),
    message: message ?? msg ?? error ?? 'no reason given',
    ...(statusCode !== undefined && Number.isInteger(status) ? { status } : {}),
  });
}
