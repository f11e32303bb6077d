import Cloudflare from 'cloudflare';
import * as v from 'valibot';
import type { RolloutConfig } from '../../rollout/config.ts';
import { ProviderError, isNotFound } from '../provider-error.ts';
import type { CloudflareProvider, WorkerUpload } from '../providers.ts';
import { createAnalytics } from './analytics.ts';
import * as shape from './answers.ts';

const PROVIDER = 'Cloudflare';
const VERSIONS_PAGE = 100;

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';
/** One call of the API: its `result`, parsed. Throws `ProviderError`. */
export type CallApi = <Schema extends v.GenericSchema>(
  method: Method,
  path: string,
  schema: Schema,
  options?: { body?: unknown; query?: Record<string, string | number>; retries?: number },
) => Promise<v.InferOutput<Schema>>;

/** The token is the SDK's own business: only status, code and the vendor's words come out of its errors. */
function asProviderError(operation: string, error: unknown): ProviderError {
  if (error instanceof Cloudflare.APIError) {
    const [first] = v.is(shape.apiErrors, error.errors) ? error.errors : [];
    const status = typeof error.status === 'number' ? error.status : null;
    const code = first === undefined ? null : String(first.code);
    return new ProviderError(PROVIDER, operation, { status, code, message: first?.message ?? (status === null ? 'no answer' : 'no reason given') });
  }
  if (error instanceof v.ValiError) {
    return new ProviderError(PROVIDER, operation, { status: 502, code: 'malformed', message: `an answer of an unknown shape: ${error.message}` });
  }
  return new ProviderError(PROVIDER, operation, { status: null, message: error instanceof Error ? error.message : String(error) });
}

/** The multipart form of a Worker upload; the SDK's own form is not what the API takes (its issue 2799). */
function uploadForm(upload: WorkerUpload): FormData {
  const form = new FormData();
  const { mainModule, modules, bindings, compatibilityDate, compatibilityFlags, tag, message } = upload;
  const metadata = {
    main_module: mainModule,
    compatibility_date: compatibilityDate,
    compatibility_flags: compatibilityFlags,
    bindings,
    annotations: { 'workers/tag': tag, 'workers/message': message },
  };
  form.set('metadata', JSON.stringify(metadata));
  for (const [name, code] of Object.entries(modules)) form.set(name, new File([code], name, { type: 'application/javascript+module' }));
  return form;
}

/** Cloudflare's API v4. In a rehearsal only the base URL and the token differ. */
export function createCloudflareProvider(config: RolloutConfig['cloudflare']): CloudflareProvider {
  const client = new Cloudflare({ apiToken: config.apiToken, baseURL: config.apiBaseUrl, maxRetries: 3, timeout: 30_000, logLevel: 'off' });
  const call: CallApi = async (method, path, schema, { body, query, retries } = {}) => {
    try {
      const answer: unknown = await client[method](path, { ...(body === undefined ? {} : { body }), ...(query === undefined ? {} : { query }), ...(retries === undefined ? {} : { maxRetries: retries }) });
      return v.parse(v.object({ result: schema }), answer).result;
    } catch (error) {
      throw asProviderError(`${method.toUpperCase()} ${path}`, error);
    }
  };
  const account = `/accounts/${config.accountId}`;
  const zone = `/zones/${config.zoneId}`;
  const scripts = `${account}/workers/scripts`;
  const buckets = `${account}/r2/buckets`;
  const orNothing = async <Answer, Nothing>(asked: Promise<Answer>, nothing: Nothing): Promise<Answer | Nothing> => {
    try {
      return await asked;
    } catch (error) {
      if (isNotFound(error)) return nothing;
      throw error;
    }
  };

  /** A multipart body may be sent once only, so these calls are not repeated by the SDK. */
  const sendForm = async (method: 'POST' | 'PUT', path: string, upload: WorkerUpload): Promise<void> => {
    const operation = `${method} ${path}`;
    let response: Response;
    try {
      response = await fetch(`${config.apiBaseUrl}${path}`, { method, body: uploadForm(upload), headers: { authorization: `Bearer ${config.apiToken}` } });
    } catch (error) {
      throw new ProviderError(PROVIDER, operation, { status: null, message: error instanceof Error ? error.message : 'no answer' });
    }
    const parsed = v.safeParse(shape.envelope, await response.json().catch(() => null));
    if (response.ok && parsed.success && parsed.output.success) return;
    const [first] = parsed.success ? parsed.output.errors : [];
    throw new ProviderError(PROVIDER, operation, { status: response.status, code: first === undefined ? null : String(first.code), message: first?.message ?? 'no reason given' });
  };

  const provider: CloudflareProvider = {
    async uploadVersion(script, upload) {
      try {
        await sendForm('POST', `${scripts}/${script}/versions`, upload);
      } catch (error) {
        // A script that does not exist yet takes its first version only by an upload that also activates it.
        if (!isNotFound(error)) throw error;
        await sendForm('PUT', `${scripts}/${script}`, upload);
      }
      const version = (await provider.listVersions(script)).find((one) => one.tag === upload.tag);
      if (version === undefined) throw new ProviderError(PROVIDER, `upload of ${script}`, { status: 502, code: 'missing', message: 'the version is not listed after its upload' });
      return version;
    },
    async listVersions(script) {
      const path = `${scripts}/${script}/versions`;
      const { items } = await orNothing(call('get', path, shape.versions, { query: { per_page: VERSIONS_PAGE } }), { items: [] });
      return items.map(({ id, number, metadata, annotations }) => ({
        id,
        number,
        createdOn: metadata.created_on,
        tag: annotations?.['workers/tag'] ?? null,
      }));
    },
    async listDeployments(script) {
      const { deployments } = await orNothing(call('get', `${scripts}/${script}/deployments`, shape.deployments), { deployments: [] });
      return deployments.map(shape.toDeployment);
    },
    async deploy(script, versions, message) {
      const body = {
        strategy: 'percentage',
        versions: versions.map(({ versionId, percentage }) => ({ version_id: versionId, percentage })),
        annotations: { 'workers/message': message.slice(0, 900) },
      };
      // `force`: a rollback must not be refused because secrets changed since (10220).
      return shape.toDeployment(await call('post', `${scripts}/${script}/deployments`, shape.deployment, { body, query: { force: 'true' } }));
    },
    async getSubdomain(script) {
      const answer = await orNothing(call('get', `${scripts}/${script}/subdomain`, shape.subdomain), null);
      return answer === null ? null : { enabled: answer.enabled, previewsEnabled: answer.previews_enabled };
    },
    async setSubdomain(script, { enabled, previewsEnabled }) {
      await call('post', `${scripts}/${script}/subdomain`, shape.subdomain, { body: { enabled, previews_enabled: previewsEnabled } });
    },
    async getBucket(name) {
      const answer = await orNothing(call('get', `${buckets}/${name}`, shape.bucket), null);
      return answer === null ? null : { name: answer.name, createdOn: answer.creation_date };
    },
    async createBucket(name) {
      // 409 is an answer here (it exists), not a reason to ask again.
      await call('post', buckets, shape.bucket, { body: { name }, retries: 0 });
    },
    async deleteBucket(name) {
      await call('delete', `${buckets}/${name}`, v.unknown(), { retries: 0 });
    },
    async getLifecycle(bucket) {
      return (await call('get', `${buckets}/${bucket}/lifecycle`, shape.lifecycle)).rules.map(shape.toLifecycleRule);
    },
    async putLifecycle(bucket, rules) {
      await call('put', `${buckets}/${bucket}/lifecycle`, v.unknown(), { body: { rules } });
    },
    async getCors(bucket) {
      const { rules } = await orNothing(call('get', `${buckets}/${bucket}/cors`, shape.cors), { rules: [] });
      return rules.map(shape.toCorsRule);
    },
    async putCors(bucket, rules) {
      if (rules.length === 0) await orNothing(call('delete', `${buckets}/${bucket}/cors`, v.unknown()), null);
      else await call('put', `${buckets}/${bucket}/cors`, v.unknown(), { body: { rules } });
    },
    async listDnsRecords(name) {
      return (await call('get', `${zone}/dns_records`, v.array(shape.dnsRecord), { query: { 'name.exact': name, per_page: 100 } })).map(shape.toDnsRecord);
    },
    async patchDnsRecord(id, { comment, ...change }) {
      const body = comment === null || comment === undefined ? change : { ...change, comment };
      return shape.toDnsRecord(await call('patch', `${zone}/dns_records/${id}`, shape.dnsRecord, { body }));
    },
    async listRoutes() {
      return (await call('get', `${zone}/workers/routes`, v.array(shape.route))).map(shape.toRoute);
    },
    async createRoute(pattern, script) {
      return shape.toRoute({ pattern, script, ...(await call('post', `${zone}/workers/routes`, v.object({ id: v.string() }), { body: { pattern, script } })) });
    },
    async deleteRoute(id) {
      await orNothing(call('delete', `${zone}/workers/routes/${id}`, v.unknown()), null);
    },
    ...createAnalytics(config, async (query, variables) => {
      try {
        const answer: unknown = await client.post('/graphql', { body: { query, variables } });
        const parsed = v.parse(shape.graphql, answer);
        const [first] = parsed.errors ?? [];
        // GraphQL answers 200 with errors: they are failures all the same.
        if (first !== undefined) throw new ProviderError(PROVIDER, 'POST /graphql', { status: 400, code: 'graphql', message: first.message });
        return parsed.data;
      } catch (error) {
        throw error instanceof ProviderError ? error : asProviderError('POST /graphql', error);
      }
    }),
  };
  return provider;
}
