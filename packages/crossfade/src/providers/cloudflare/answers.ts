import * as v from 'valibot';
import type {
  CorsRule,
  DnsRecord,
  LifecycleRule,
  QueueMessage,
  WorkerDeployment,
  WorkerRoute,
  WorkerVersion,
} from '../providers.ts';

/** The shapes of Cloudflare's answers, as far as a rollout reads them. */
export const apiErrors = v.array(
  v.object({
    code: v.number(),
    message: v.string(),
    error_chain: v.optional(v.array(v.object({ code: v.number(), message: v.string() })), []),
  }),
);
export const envelope = v.object({ success: v.boolean(), errors: v.optional(apiErrors, []) });

export const version = v.object({
  id: v.string(),
  number: v.number(),
  metadata: v.object({ created_on: v.string() }),
  annotations: v.optional(v.record(v.string(), v.string()), {}),
});
export const versions = v.object({
  items: v.array(version),
});

export function toVersion({ id, number, metadata, annotations }: v.InferOutput<typeof version>): WorkerVersion {
  return { id, number, createdOn: metadata.created_on, tag: annotations['workers/tag'] ?? null };
}

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

/** R2 knows rules by date as well; one of those is an error here, since writing back what was not read would lose it. */
const age = v.object({ type: v.literal('Age'), maxAge: v.number() });
const lifecycleRule = v.object({
  id: v.string(),
  enabled: v.boolean(),
  conditions: v.object({ prefix: v.optional(v.string(), '') }),
  deleteObjectsTransition: v.exactOptional(v.object({ condition: age })),
  storageClassTransitions: v.exactOptional(
    v.array(v.object({ condition: age, storageClass: v.literal('InfrequentAccess') })),
  ),
  abortMultipartUploadsTransition: v.exactOptional(v.object({ condition: age })),
}) satisfies v.GenericSchema<unknown, LifecycleRule>;
export const lifecycle = v.object({ rules: v.optional(v.array(lifecycleRule), []) });

const corsRule = v.object({
  allowed: v.object({
    origins: v.array(v.string()),
    methods: v.array(v.string()),
    headers: v.exactOptional(v.array(v.string())),
  }),
  exposeHeaders: v.exactOptional(v.array(v.string())),
  maxAgeSeconds: v.exactOptional(v.number()),
}) satisfies v.GenericSchema<unknown, CorsRule>;
export const cors = v.object({ rules: v.optional(v.array(corsRule), []) });

export const dnsRecord = v.object({
  id: v.string(),
  type: v.string(),
  name: v.string(),
  content: v.optional(v.string(), ''),
  ttl: v.number(),
  proxied: v.optional(v.boolean(), false),
  comment: v.optional(v.nullable(v.string()), null),
});
export function toDnsRecord({
  id,
  type,
  name,
  content,
  ttl,
  proxied,
  comment,
}: v.InferOutput<typeof dnsRecord>): DnsRecord {
  return { id, type, name, content, ttl, proxied, comment };
}

export const queue = v.object({ queue_id: v.string(), queue_name: v.string() });

const message = v.object({
  id: v.string(),
  lease_id: v.string(),
  body: v.string(),
  timestamp_ms: v.number(),
  attempts: v.number(),
  metadata: v.optional(v.record(v.string(), v.unknown()), {}),
});
export const pulled = v.object({
  messages: v.array(message),
  message_backlog_count: v.optional(v.number(), 0),
});

/** The vendor hands JSON and bytes to pull consumers in base64, and text as it is. */
export function toMessage({ id, lease_id, body, timestamp_ms, attempts, metadata }: v.InferOutput<typeof message>) {
  const plain = metadata['CF-Content-Type'] === 'text';
  const text = plain ? body : Buffer.from(body, 'base64').toString();
  return { id, leaseId: lease_id, body: text, at: timestamp_ms, attempts } satisfies QueueMessage;
}
export const consumer = v.object({ type: v.string() });
/** Analytics Engine answers without the envelope. */
export const telemetry = v.object({ data: v.array(v.record(v.string(), v.unknown())) });

export const route = v.object({
  id: v.string(),
  pattern: v.string(),
  script: v.optional(v.nullable(v.string()), null),
});
export function toRoute({ id, pattern, script }: { id: string; pattern: string; script: string | null }): WorkerRoute {
  return { id, pattern, script };
}

export const graphql = v.object({
  data: v.nullable(
    v.object({
      viewer: v.object({
        accounts: v.optional(v.array(v.record(v.string(), v.unknown())), []),
        zones: v.optional(v.array(v.record(v.string(), v.unknown())), []),
      }),
    }),
  ),
  errors: v.nullish(v.array(v.object({ message: v.string() }))),
});
