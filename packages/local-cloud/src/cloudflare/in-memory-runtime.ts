import type { EdgeRequest, R2Operation, RuntimeRoute, RuntimeVersion, WorkersRuntime } from './runtime-contract.ts';
import type { Sippy } from './sippy.ts';

/** For the API's tests: our own interface to the runtime, kept in memory, that shows what it was told. */
export interface InMemoryRuntime extends WorkersRuntime {
  readonly buckets: Map<string, { objects: number; payloadBytes: number; metadataBytes: number }>;
  /** Bucket → what its Sippy reads from and writes to. */
  readonly sippies: Map<string, Sippy>;
  /** Config id → connection string. */
  readonly hyperdrives: Map<string, string>;
  readonly versions: Map<string, RuntimeVersion>;
  readonly deployments: Map<string, readonly { versionId: string; percentage: number }[]>;
  readonly subdomains: Map<string, { enabled: boolean; previewsEnabled: boolean }>;
  readonly requests: EdgeRequest[];
  readonly operations: R2Operation[];
  routes(): readonly RuntimeRoute[];
}

/** Code that holds `throw` does not start. */
export function createInMemoryRuntime(): InMemoryRuntime {
  let routes: readonly RuntimeRoute[] = [];
  const runtime: InMemoryRuntime = {
    r2Endpoint: 'http://127.0.0.1:1/r2',
    buckets: new Map(),
    sippies: new Map(),
    hyperdrives: new Map(),
    versions: new Map(),
    deployments: new Map(),
    subdomains: new Map(),
    requests: [],
    operations: [],
    routes: () => routes,
    ensureBucket: async (name) => {
      if (!runtime.buckets.has(name)) runtime.buckets.set(name, { objects: 0, payloadBytes: 0, metadataBytes: 0 });
    },
    removeBucket: async (name) => {
      if ((runtime.buckets.get(name)?.objects ?? 0) > 0) throw new Error('bucket not empty');
      runtime.buckets.delete(name);
    },
    setSippy: (bucket, sippy) => {
      if (sippy === null) runtime.sippies.delete(bucket);
      else runtime.sippies.set(bucket, sippy);
    },
    bucketUsage: async (name) => runtime.buckets.get(name) ?? { objects: 0, payloadBytes: 0, metadataBytes: 0 },
    expireObjects: async () => [],
    setHyperdrive: async (id, url) => {
      if (url === null) runtime.hyperdrives.delete(id);
      else runtime.hyperdrives.set(id, url);
    },
    addVersion: async (version) => {
      const main = version.modules[version.mainModule] ?? '';
      if (main.includes('throw')) throw new Error(`Uncaught Error: ${main}`);
      runtime.versions.set(version.versionId, version);
      return { startupTimeMs: 7 };
    },
    setDeployment: (script, split) => {
      for (const { versionId } of split) if (!runtime.versions.has(versionId)) throw new Error('version not started');
      runtime.deployments.set(script, split);
    },
    setRoutes: (given) => {
      routes = given;
    },
    setSubdomain: (script, state) => {
      runtime.subdomains.set(script, state);
    },
    edgeRequests: ({ since, until, host, script }) =>
      runtime.requests.filter(
        (one) =>
          one.at >= since &&
          one.at <= until &&
          (host === undefined || one.host === host) &&
          (script === undefined || one.script === script),
      ),
    r2Operations: ({ since, until, bucket }) =>
      runtime.operations.filter(
        (one) => one.at >= since && one.at <= until && (bucket === undefined || one.bucket === bucket),
      ),
    close: async () => undefined,
  };
  return runtime;
}
