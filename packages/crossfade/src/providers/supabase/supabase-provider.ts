import * as v from 'valibot';
import type { EnvironmentConfig } from '../../rollout/config.ts';
import { ProviderError, isNotFound } from '../provider-error.ts';
import type { SupabaseProvider } from '../providers.ts';
import { retrying } from '../retry.ts';

const PROVIDER = 'Supabase';

export interface SupabaseManagement {
  readonly apiUrl: string;
  readonly token: string;
  /** 20 lower-case letters. */
  readonly ref: string;
}

const session = v.object({ access_token: v.string(), user: v.object({ id: v.string() }) });
const bucket = v.object({ id: v.string(), public: v.boolean() });
const counts = v.object({ result: v.array(v.object({ total_storage_requests: v.number() })) });
/** Storage answers HTTP 400 for nearly every error; the real status is in the body. */
const failure = v.object({ statusCode: v.optional(v.string()), error: v.optional(v.string()), message: v.optional(v.string()), msg: v.optional(v.string()), code: v.optional(v.union([v.string(), v.number()])) });

/** One Supabase project: Auth, Storage's buckets, and what the vendor counted. */
export function createSupabaseProvider(config: EnvironmentConfig['supabase'], management: SupabaseManagement | undefined): SupabaseProvider {
  const call = <Schema extends v.GenericSchema>(
    schema: Schema,
    method: string,
    url: string,
    options: { token: string; body?: unknown },
  ): Promise<v.InferOutput<Schema>> =>
    retrying(async () => {
      const operation = `${method} ${new URL(url).pathname}`;
      let response: Response;
      try {
        response = await fetch(url, {
          method,
          headers: { apikey: config.anonKey, authorization: `Bearer ${options.token}`, 'content-type': 'application/json' },
          ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
          signal: AbortSignal.timeout(15_000),
        });
      } catch (error) {
        throw new ProviderError(PROVIDER, operation, { status: null, message: error instanceof Error ? error.message : 'no answer' });
      }
      const body: unknown = await response.json().catch(() => null);
      if (!response.ok) {
        const told = v.safeParse(failure, body);
        const { statusCode, code, message, msg } = told.success ? told.output : {};
        throw new ProviderError(PROVIDER, operation, {
          status: statusCode === undefined ? response.status : Number(statusCode),
          code: code === undefined ? null : String(code),
          message: message ?? msg ?? 'no reason given',
        });
      }
      const parsed = v.safeParse(schema, body);
      if (!parsed.success) throw new ProviderError(PROVIDER, operation, { status: 502, code: 'malformed', message: 'an answer of an unknown shape' });
      return parsed.output;
    });
  const storage = `${config.url}/storage/v1`;
  const service = { token: config.serviceKey };
  return {
    async signIn(email, password) {
      const url = `${config.url}/auth/v1/token?grant_type=password`;
      const answer = await call(session, 'POST', url, { token: config.anonKey, body: { email, password } });
      return { accessToken: answer.access_token, userId: answer.user.id };
    },
    async getBucket(id) {
      try {
        return await call(bucket, 'GET', `${storage}/bucket/${encodeURIComponent(id)}`, service);
      } catch (error) {
        if (isNotFound(error)) return null;
        throw error;
      }
    },
    async setBucketPublic(id, isPublic) {
      await call(v.unknown(), 'PUT', `${storage}/bucket/${encodeURIComponent(id)}`, { ...service, body: { public: isPublic } });
    },
    async storageRequests(sinceMs, untilMs) {
      if (management === undefined) {
        throw new ProviderError(PROVIDER, 'usage.api-counts', { status: 401, message: 'no management token is configured, so nobody can tell whether legacy is still read' });
      }
      const window = new URLSearchParams({ interval: '15min', iso_timestamp_start: new Date(sinceMs).toISOString(), iso_timestamp_end: new Date(untilMs).toISOString() });
      const url = `${management.apiUrl}/v1/projects/${management.ref}/analytics/endpoints/usage.api-counts?${window}`;
      const { result } = await call(counts, 'GET', url, { token: management.token });
      return result.reduce((sum, one) => sum + one.total_storage_requests, 0);
    },
  };
}
