import * as v from 'valibot';
import type { RolloutConfig } from '../rollout/config.ts';
import { createCloudflareApi, type CloudflareApi } from './cloudflare/api-call.ts';
import { createCloudflareProvider } from './cloudflare/cloudflare-provider.ts';
import type {
  CloudflareProvider,
  CorsRule,
  DatabaseProvider,
  DeploymentSplit,
  LifecycleRule,
  Providers,
  WorkerRoute,
  WorkerUpload,
  WorkerVersion,
} from './providers.ts';

/** A call that would be made: of Cloudflare's API by method and path, of anything else in words. */
export interface PlannedCall {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

/** Says that a call was written down instead of made. */
class Recorded extends Error {}

/** Modules are told by their size, secrets by their names. */
function readForm(form: FormData): unknown {
  const metadata = form.get('metadata');
  const modules = [...form.entries()].flatMap(([name, part]) =>
    typeof part === 'string' ? [] : [{ name, bytes: part.size }],
  );
  const parsed = v.parse(
    v.looseObject({ bindings: v.optional(v.array(v.looseObject({ type: v.string() })), []) }),
    JSON.parse(String(metadata)),
  );
  const bindings = parsed.bindings.map((binding) =>
    binding.type === 'secret_text' ? { ...binding, text: '[redacted]' } : binding,
  );
  return { metadata: { ...parsed, bindings }, modules };
}

/** Questions are asked; what would change something is written down. */
function recordingApi(api: CloudflareApi, calls: PlannedCall[]): CloudflareApi {
  const record = (method: string, path: string, body: unknown): never => {
    calls.push({ method: method.toUpperCase(), path, body: body ?? null });
    throw new Recorded();
  };
  return {
    call: async (method, path, schema, options) =>
      method === 'get' ? api.call(method, path, schema, options) : record(method, path, options?.body),
    callBare: async (method, path, schema, options) =>
      method === 'get' ? api.callBare(method, path, schema, options) : record(method, path, options?.body),
    sendForm: async (method, path, form) => record(method, path, readForm(form)),
    sendText: (path, text, schema) => api.sendText(path, text, schema),
  };
}

/** R2 gives every new bucket this rule (Cloudflare's documentation of object lifecycles). */
const BORN_WITH: readonly LifecycleRule[] = [
  {
    id: 'Default Multipart Abort Rule',
    enabled: true,
    conditions: { prefix: '' },
    abortMultipartUploadsTransition: { condition: { type: 'Age', maxAge: 7 * 24 * 3600 } },
  },
];

/** What would be there, had the recorded calls been made. */
interface Imagined {
  readonly versions: Map<string, WorkerVersion[]>;
  readonly deployments: Map<string, DeploymentSplit[]>;
  readonly buckets: Map<string, { lifecycle: readonly LifecycleRule[]; cors: readonly CorsRule[] }>;
  readonly routes: WorkerRoute[];
  readonly queues: Map<string, { id: string; name: string; pullConsumers: number }>;
}

/**
 * Providers that ask and change nothing: every call that would change something is appended to `calls`, and what
 * follows sees the world as it would be then. A database is asked, never told.
 */
export function createDryRun(
  real: Providers,
  config: RolloutConfig,
): { providers: Providers; calls: readonly PlannedCall[] } {
  const calls: PlannedCall[] = [];
  const recording = createCloudflareProvider(
    config.cloudflare,
    recordingApi(createCloudflareApi(config.cloudflare), calls),
  );
  const cloudflare = imagining(real.cloudflare, recording);
  return {
    calls,
    providers: {
      ...real,
      cloudflare,
      database: {
        staging: readingOnly(real.database.staging, calls),
        production: readingOnly(real.database.production, calls),
      },
      frontend: {
        async publish(command, folder) {
          calls.push({ method: 'RUN', path: command.replaceAll('{folder}', JSON.stringify(folder)), body: null });
        },
        async restore(command, build) {
          calls.push({ method: 'RUN', path: command.replaceAll('{build}', JSON.stringify(build)), body: null });
        },
      },
    },
  };
}

/** A database that is asked, and written down what it would be told to do. */
function readingOnly(real: DatabaseProvider, calls: PlannedCall[]): DatabaseProvider {
  return {
    async query<Row extends Record<string, unknown>>(text: string, values?: readonly unknown[]) {
      if (/^\s*select\b/i.test(text)) return real.query<Row>(text, values);
      calls.push({ method: 'SQL', path: text.trim(), body: values ?? null });
      return [];
    },
  };
}

/** Makes the recording provider write down the call, and answers `then`. */
async function recorded<Answer>(call: Promise<unknown>, then: () => Answer): Promise<Answer> {
  await call.catch((error: unknown) => {
    if (!(error instanceof Recorded)) throw error;
  });
  return then();
}

function imagining(real: CloudflareProvider, recording: CloudflareProvider): CloudflareProvider {
  const imagined: Imagined = {
    versions: new Map(),
    deployments: new Map(),
    buckets: new Map(),
    routes: [],
    queues: new Map(),
  };
  const newVersion = (script: string, upload: WorkerUpload): WorkerVersion => {
    const known = imagined.versions.get(script) ?? [];
    const version = {
      id: `(new version ${upload.tag})`,
      number: 0,
      createdOn: new Date().toISOString(),
      tag: upload.tag,
    };
    imagined.versions.set(script, [version, ...known]);
    return version;
  };
  const exists = async (script: string): Promise<boolean> =>
    imagined.versions.has(script) || (await real.listVersions(script)).length > 0;
  const bucketOf = async (name: string) => {
    const known = imagined.buckets.get(name) ?? {
      lifecycle: await real.getLifecycle(name),
      cors: await real.getCors(name),
    };
    imagined.buckets.set(name, known);
    return known;
  };
  return {
    ...recording,
    listVersions: async (script) => [...(imagined.versions.get(script) ?? []), ...(await real.listVersions(script))],
    async listDeployments(script) {
      const split = imagined.deployments.get(script);
      const before = await real.listDeployments(script);
      if (split === undefined) return before;
      return [
        { id: '(new deployment)', createdOn: new Date().toISOString(), versions: split, message: null },
        ...before,
      ];
    },
    uploadScript: (script, upload) =>
      recorded(recording.uploadScript(script, upload), () => {
        const version = newVersion(script, upload);
        imagined.deployments.set(script, [{ versionId: version.id, percentage: 100 }]);
        return version;
      }),
    async uploadVersion(script, upload) {
      // A script that does not exist takes its first version by a PUT that also activates it.
      const first = !(await exists(script));
      const call = first ? recording.uploadScript(script, upload) : recording.uploadVersion(script, upload);
      return recorded(call, () => {
        const version = newVersion(script, upload);
        if (first) imagined.deployments.set(script, [{ versionId: version.id, percentage: 100 }]);
        return version;
      });
    },
    deploy: (script, versions, message) =>
      recorded(recording.deploy(script, versions, message), () => {
        imagined.deployments.set(script, [...versions]);
        return { id: '(new deployment)', createdOn: new Date().toISOString(), versions, message };
      }),
    async getBucket(name) {
      return imagined.buckets.has(name) ? { name, createdOn: '(new)' } : real.getBucket(name);
    },
    createBucket: (name) =>
      recorded(recording.createBucket(name), () => {
        imagined.buckets.set(name, { lifecycle: BORN_WITH, cors: [] });
      }),
    getLifecycle: async (name) => (await bucketOf(name)).lifecycle,
    getCors: async (name) => (await bucketOf(name)).cors,
    async putLifecycle(name, rules) {
      const bucket = await bucketOf(name);
      await recorded(recording.putLifecycle(name, rules), () =>
        imagined.buckets.set(name, { ...bucket, lifecycle: rules }),
      );
    },
    async putCors(name, rules) {
      const bucket = await bucketOf(name);
      await recorded(recording.putCors(name, rules), () => imagined.buckets.set(name, { ...bucket, cors: rules }));
    },
    listRoutes: async () => [...imagined.routes, ...(await real.listRoutes())],
    createRoute: (pattern, script) =>
      recorded(recording.createRoute(pattern, script), () => {
        const route = { id: '(new route)', pattern, script };
        imagined.routes.push(route);
        return route;
      }),
    getQueue: async (name) => imagined.queues.get(name) ?? real.getQueue(name),
    createQueue: (name) =>
      recorded(recording.createQueue(name), () => {
        const queue = { id: `(new queue ${name})`, name, pullConsumers: 0 };
        imagined.queues.set(name, queue);
        return { id: queue.id };
      }),
    createPullConsumer: (queueId) => recorded(recording.createPullConsumer(queueId), () => undefined),
  };
}
