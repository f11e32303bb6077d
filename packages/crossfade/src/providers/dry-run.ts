import * as v from 'valibot';
import type { RolloutConfig } from '../rollout/config.ts';
import { createCloudflareApi, type CloudflareApi } from './cloudflare/api-call.ts';
import { createCloudflareProvider } from './cloudflare/cloudflare-provider.ts';
import type { SippyState } from './cloudflare/sippy.ts';
import type { PlannedCall } from './planned-call.ts';
import { imaginingHealth } from './imagined-health.ts';
import { imaginingStore } from './imagined-store.ts';
import type {
  CloudflareProvider,
  CorsRule,
  DatabaseProvider,
  DeploymentSplit,
  DnsRecord,
  HyperdriveConfig,
  HyperdriveOrigin,
  LifecycleRule,
  Notifier,
  Providers,
  WorkerRoute,
  WorkerUpload,
  WorkerVersion,
} from './providers.ts';

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

/** A database's password, and the keys of the two stores that a bulk copy goes between. */
const SECRET_FIELDS = new Set(['password', 'accessKeyId', 'secretAccessKey']);
const IMAGINED_JOB = '(new Super Slurper job)';

/** A body as it may be shown. */
const withoutSecrets = (body: unknown): unknown =>
  JSON.parse(JSON.stringify(body ?? null, (key, value: unknown) => (SECRET_FIELDS.has(key) ? '[redacted]' : value)));

/** Questions are asked; what would change something is written down. */
function recordingApi(api: CloudflareApi, calls: PlannedCall[]): CloudflareApi {
  const record = (method: string, path: string, body: unknown): never => {
    calls.push({ method: method.toUpperCase(), path, body: withoutSecrets(body) });
    throw new Recorded();
  };
  return {
    call: async (method, path, schema, options) =>
      method === 'get' ? api.call(method, path, schema, options) : record(method, path, options?.body),
    callBare: async (method, path, schema, options) =>
      method === 'get' ? api.callBare(method, path, schema, options) : record(method, path, options?.body),
    sendForm: async (method, path, form) => record(method, path, readForm(form)),
    sendText: (path, text, schema) => api.sendText(path, text, schema),
    again: (call) => api.again(call),
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
  /** By id; `null` for what would be gone. */
  readonly records: Map<string, DnsRecord | null>;
  readonly hyperdrives: Map<string, HyperdriveConfig | null>;
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
  const sippies = new Map<string, SippyState>();
  const cloudflare = imagining(real.cloudflare, recording, sippies);
  const { staging, production } = config.environments;
  return {
    calls,
    providers: {
      ...real,
      cloudflare,
      // What goes one way is known on the other side by what it was where it came from.
      legacyStore: imaginingStore(real.legacyStore, real.r2.production, calls),
      r2: {
        staging: imaginingStore(real.r2.staging, real.r2.staging, calls),
        production: imaginingStore(
          real.r2.production,
          real.legacyStore,
          calls,
          () => sippies.get(production.worker.bucket)?.enabled === true,
        ),
      },
      backup: null,
      http: imaginingHealth(real.http, cloudflare, [staging, production]),
      database: {
        staging: readingOnly(real.database.staging, calls),
        production: readingOnly(real.database.production, calls),
      },
      channels: new Map([...real.channels].map(([name, one]) => [name, toldNobody(one, calls)])),
      notify: real.notify.map((one) => toldNobody(one, calls)),
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

/** A channel in which nobody is told or called; whoever would have been called would have answered. */
function toldNobody({ name, pager }: Notifier, calls: PlannedCall[]): Notifier {
  const told = async (method: string, body: unknown): Promise<void> => void calls.push({ method, path: name, body });
  return {
    name,
    send: (message) => told('TELL', message),
    ...(pager === undefined
      ? {}
      : { pager: { page: (page) => told('PAGE', page), answered: async () => true, close: async () => {} } }),
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

/** What is there with what is imagined over it. */
function overlaid<Thing extends { readonly id: string }>(
  real: readonly Thing[],
  imagined: ReadonlyMap<string, Thing | null>,
): Thing[] {
  return [...real.filter(({ id }) => !imagined.has(id)), ...imagined.values()].filter((one) => one !== null);
}

function imagining(
  real: CloudflareProvider,
  recording: CloudflareProvider,
  sippies: Map<string, SippyState>,
): CloudflareProvider {
  const imagined: Imagined = {
    versions: new Map(),
    deployments: new Map(),
    buckets: new Map(),
    routes: [],
    queues: new Map(),
    records: new Map(),
    hyperdrives: new Map(),
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
  const writeHyperdrive = (id: string, name: string, origin: HyperdriveOrigin): HyperdriveConfig => {
    const { host, port, database, user } = origin;
    const config = { id, name, origin: { host, port, database, user }, cachingDisabled: true };
    imagined.hyperdrives.set(id, config);
    return config;
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
  const recordsOf = async (name: string): Promise<DnsRecord[]> => {
    const records = overlaid(await real.listDnsRecords(name), imagined.records).filter((one) => one.name === name);
    // A change names no more than an id.
    for (const record of records) imagined.records.set(record.id, record);
    return records;
  };
  return {
    ...recording,
    listDnsRecords: recordsOf,
    createDnsRecord: (fields) =>
      recorded(recording.createDnsRecord(fields), () => {
        const record = { id: `(new record ${fields.name})`, ...fields };
        imagined.records.set(record.id, record);
        return record;
      }),
    async patchDnsRecord(id, change) {
      const known = imagined.records.get(id) ?? null;
      if (known === null) throw new Error(`the record ${id} was changed and never looked at`);
      return recorded(recording.patchDnsRecord(id, change), () => {
        const record = { ...known, ...change };
        imagined.records.set(id, record);
        return record;
      });
    },
    deleteDnsRecord: (id) => recorded(recording.deleteDnsRecord(id), () => void imagined.records.set(id, null)),
    listHyperdrives: async () => overlaid(await real.listHyperdrives(), imagined.hyperdrives),
    listSlurperJobs: () => real.listSlurperJobs(),
    createSlurperJob: (source, target) => recorded(recording.createSlurperJob(source, target), () => IMAGINED_JOB),
    slurperProgress: async (id) =>
      id === IMAGINED_JOB
        ? { status: 'completed', objects: 0, transferred: 0, skipped: 0, failed: 0 }
        : real.slurperProgress(id),
    deleteSlurperJob: (id) => recorded(recording.deleteSlurperJob(id), () => undefined),
    getSippy: async (bucket) => sippies.get(bucket) ?? real.getSippy(bucket),
    putSippy: (source, target) =>
      recorded(
        recording.putSippy(source, target),
        () => void sippies.set(target.bucket, { enabled: true, source: source.bucketUrl }),
      ),
    deleteSippy: (bucket) =>
      recorded(recording.deleteSippy(bucket), () => void sippies.set(bucket, { enabled: false, source: null })),
    createHyperdrive: (name, origin) =>
      recorded(recording.createHyperdrive(name, origin), () =>
        writeHyperdrive(`(new Hyperdrive ${name})`, name, origin),
      ),
    updateHyperdrive: (id, name, origin) =>
      recorded(recording.updateHyperdrive(id, name, origin), () => writeHyperdrive(id, name, origin)),
    deleteHyperdrive: (id) => recorded(recording.deleteHyperdrive(id), () => void imagined.hyperdrives.set(id, null)),
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
    async setSubdomain(script, state) {
      await recorded(recording.setSubdomain(script, state), () => undefined);
    },
    createPullConsumer: (queueId) => recorded(recording.createPullConsumer(queueId), () => undefined),
  };
}
