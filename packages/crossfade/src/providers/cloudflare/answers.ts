import * as v from 'valibot';
import type { CorsRule, DnsRecord, LifecycleRule, WorkerDeployment, WorkerRoute } from '../providers.ts';

/** The shapes of Cloudflare's answers, as far as a rollout reads them. */
export const apiErrors = v.array(v.object({ code: v.number(), message: v.string() }));
export const envelope = v.object({ success: v.boolean(), errors: v.optional(apiErrors, []) });

export const versions = v.object({
  items: v.array(
    v.object({
      id: v.string(),
      number: v.number(),
      metadata: v.object({ created_on: v.string() }),
      annotations: v.optional(v.record(v.string(), v.string())),
    }),
  ),
});

export const deployment = v.object({
  id: v.string(),
  created_on: v.string(),
  versions: v.array(v.object({ version_id: v.string(), percentage: v.number() })),
  annotations: v.optional(v.record(v.string(), v.string())),
});
export const deployments = v.object({ deployments: v.array(deployment) });

export function toDeployment(answer: v.InferOutput<typeof deployment>): WorkerDeployment {
  return {
    id: answer.id,
    createdOn: answer.created_on,
    versions: answer.versions.map(({ version_id, percentage }) => ({ versionId: version_id, percentage })),
    message: answer.annotations?.['workers/message'] ?? null,
  };
}

export const subdomain = v.object({ enabled: v.boolean(), previews_enabled: v.optional(v.boolean(), false) });
export const bucket = v.object({ name: v.string(), creation_date: v.string() });

const age = v.object({ type: v.literal('Age'), maxAge: v.number() });
const lifecycleRule = v.object({
  id: v.string(),
  enabled: v.boolean(),
  conditions: v.object({ prefix: v.optional(v.string(), '') }),
  deleteObjectsTransition: v.optional(v.object({ condition: age })),
  storageClassTransitions: v.optional(v.array(v.object({ condition: age, storageClass: v.literal('InfrequentAccess') }))),
  abortMultipartUploadsTransition: v.optional(v.object({ condition: age })),
});
export const lifecycle = v.object({ rules: v.optional(v.array(lifecycleRule), []) });

/** Without the keys that the vendor leaves out, so that rules can be compared as they are. */
function withoutUndefined<Value extends object>(value: Value): Value {
  return JSON.parse(JSON.stringify(value)) as Value;
}

export function toLifecycleRule(rule: v.InferOutput<typeof lifecycleRule>): LifecycleRule {
  return withoutUndefined(rule) as LifecycleRule;
}

const corsRule = v.object({
  allowed: v.object({ origins: v.array(v.string()), methods: v.array(v.string()), headers: v.optional(v.array(v.string())) }),
  exposeHeaders: v.optional(v.array(v.string())),
  maxAgeSeconds: v.optional(v.number()),
});
export const cors = v.object({ rules: v.optional(v.array(corsRule), []) });

export function toCorsRule(rule: v.InferOutput<typeof corsRule>): CorsRule {
  return withoutUndefined(rule) as CorsRule;
}

export const dnsRecord = v.object({
  id: v.string(),
  type: v.string(),
  name: v.string(),
  content: v.optional(v.string(), ''),
  ttl: v.number(),
  proxied: v.optional(v.boolean(), false),
  comment: v.optional(v.nullable(v.string()), null),
});
export function toDnsRecord({ id, type, name, content, ttl, proxied, comment }: v.InferOutput<typeof dnsRecord>): DnsRecord {
  return { id, type, name, content, ttl, proxied, comment };
}

export const route = v.object({ id: v.string(), pattern: v.string(), script: v.optional(v.nullable(v.string()), null) });
export function toRoute({ id, pattern, script }: { id: string; pattern: string; script: string | null }): WorkerRoute {
  return { id, pattern, script };
}

export const graphql = v.object({
  data: v.nullable(v.object({ viewer: v.object({ accounts: v.optional(v.array(v.record(v.string(), v.unknown())), []), zones: v.optional(v.array(v.record(v.string(), v.unknown())), []) }) })),
  errors: v.nullish(v.array(v.object({ message: v.string() }))),
});
