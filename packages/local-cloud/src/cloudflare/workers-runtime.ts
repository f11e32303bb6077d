import { createFaults } from '../faults.ts';
import { startEdge, type EdgeTables } from './edge.ts';
import { createLog } from './edge-log.ts';
import { startHyperdrivePool, type HyperdrivePool } from './hyperdrive-pool.ts';
import { startInstance } from './miniflare-instance.ts';
import { keysModule } from './r2-binding-keys.ts';
import { startR2Gateway } from './r2-gateway.ts';
import { bindingsOf, sinkWorker } from './version-bindings.ts';
import type {
  EdgeRequest,
  R2Operation,
  RuntimeVersion,
  WorkersRuntime,
  WorkersRuntimeOptions,
} from './runtime-contract.ts';

/** Owns the storage and is never swapped: losing the owner under load would fail requests. */
const STATE_WORKER = `export default { fetch() { return new Response('state') } }`;

/**
 * Workers, R2 and the edge of one account: one workerd that owns the storage, one for each uploaded version
 * (immutable, kept running, so that a rollback is one assignment), one for R2's S3 API.
 */
export async function createWorkersRuntime(options: WorkersRuntimeOptions): Promise<WorkersRuntime> {
  const state = await startInstance(options.folder, 'state', {
    workers: [
      {
        name: 'state',
        modules: true,
        compatibilityDate: '2026-07-01',
        script: STATE_WORKER,
        r2Buckets: { SEED: { id: 'crossfade-seed' } },
        unsafeRegisterWorker: true,
      },
    ],
  });
  const requests = createLog<EdgeRequest>();
  const operations = createLog<R2Operation>();
  const buckets = new Set<string>();
  const running: { dispose(): Promise<void> }[] = [];
  /** Config id → where its database is, and the connection string that Workers get. */
  const hyperdrives = new Map<string, { origin: string; url: string }>();
  const pools: HyperdrivePool[] = [];
  /** Versions that bind a database: they are started anew when it changes. */
  const onDatabases = new Map<string, RuntimeVersion>();
  /** Script → what runs its Durable Objects. */
  const hosts = new Map<string, { dispose(): Promise<void> }>();
  const tables: EdgeTables = { routes: [], deployments: new Map(), versions: new Map(), subdomains: new Map() };
  const gateway = await startR2Gateway(options.folder, options.r2Credentials, (operation) => operations.add(operation));
  const { faults = createFaults() } = options;
  const edge = await startEdge(
    { ...options.edge, workersSubdomain: options.workersSubdomain, faults },
    tables,
    (request) => requests.add(request),
  );
  // One change of the buckets at a time: each makes a new gateway from the whole set.
  let changing: Promise<void> = Promise.resolve();
  const change = (work: () => Promise<void>): Promise<void> => {
    const next = changing.then(work);
    changing = next.catch(() => {});
    return next;
  };

  const urlOfHyperdrive = (id: string): string | undefined => hyperdrives.get(id)?.url;

  /** Starts the version's own workerd; from then on requests for it go there. */
  async function start(version: RuntimeVersion): Promise<void> {
    const sinkName = `sink-${version.versionId.slice(0, 8)}`;
    const { mainModule, modules } = version;
    const bound = bindingsOf(version, buckets, urlOfHyperdrive, sinkName);
    const contents = modules[mainModule];
    if (contents === undefined) throw new Error(`the upload has no module ${mainModule}`);
    const first = keysModule(version);
    const entry = [...(first === null ? [] : [first]), { path: mainModule, contents }];
    const others = Object.entries(modules)
      .filter(([path]) => path !== mainModule)
      .map(([path, code]) => ({ path, contents: code }));
    const objects = version.objectClasses.length > 0;
    // Its objects lie on disk under its name: the version before has to let go of them first. Callers see their
    // calls fail meanwhile, as at the vendor, and try again.
    if (objects) await hosts.get(version.script)?.dispose();
    const { mf } = await startInstance(options.folder, objects ? version.script : version.versionId, {
      workers: [
        {
          name: objects ? version.script : `${version.script}-${version.versionId.slice(0, 8)}`,
          modules: [...entry, ...others].map((module) => ({ type: 'ESModule' as const, ...module })),
          compatibilityDate: version.compatibilityDate,
          compatibilityFlags: [...version.compatibilityFlags],
          ...bound,
          durableObjects: {
            ...bound.durableObjects,
            // Bound to nothing that the code sees: what makes the runtime keep the class.
            ...Object.fromEntries(
              version.objectClasses.map((className) => [`__${className}`, { className, useSQLite: true }]),
            ),
          },
          unsafeRegisterWorker: objects,
          // Past the simulator's own entry: half the latency, and no page that shows a stack trace.
          unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
        },
        sinkWorker(sinkName, options.sinks, (bucket, key) => gateway.noteKey(bucket, key)),
      ],
    });
    if (objects) hosts.set(version.script, mf);
    else running.push(mf);
    const url = await mf.unsafeGetDirectURL();
    tables.versions.set(version.versionId, { versionId: version.versionId, port: Number(url.port) });
    if (!objects && bindsDatabase(version)) onDatabases.set(version.versionId, version);
  }

  return {
    r2Endpoint: gateway.endpoint,
    ensureBucket: (name) =>
      change(async () => {
        if (buckets.has(name)) return;
        await gateway.setBuckets([...buckets, name]);
        buckets.add(name);
      }),
    removeBucket: (name) =>
      change(async () => {
        if (!buckets.has(name)) return;
        if ((await gateway.usage(name)).objects > 0) throw new Error('bucket not empty');
        await gateway.setBuckets([...buckets].filter((one) => one !== name));
        buckets.delete(name);
      }),
    setSippy: (bucket, sippy) => gateway.setSippy(bucket, sippy),
    bucketUsage: (name) => gateway.usage(name),
    expireObjects: (bucket, rules, now) => gateway.expire(bucket, rules, now),
    setHyperdrive: (id, url) =>
      change(async () => {
        if (hyperdrives.get(id)?.origin === url) return;
        if (url === null) return void hyperdrives.delete(id);
        // The pool before is not closed: the instance before has its connections.
        const pool = await startHyperdrivePool(url);
        pools.push(pool);
        hyperdrives.set(id, { origin: url, url: pool.url });
        for (const version of onDatabases.values()) {
          // The instance before runs on: requests may be under way in it.
          if (bindsDatabase(version, id)) await start(version);
        }
      }),
    async addVersion(version) {
      const begin = performance.now();
      await start(version);
      return { startupTimeMs: Math.round(performance.now() - begin) };
    },
    setDeployment(script, split) {
      for (const { versionId } of split) {
        if (!tables.versions.has(versionId)) throw new Error(`version ${versionId} does not run`);
      }
      tables.deployments.set(script, split);
    },
    setRoutes(routes) {
      tables.routes = routes;
    },
    setSubdomain(script, subdomain) {
      tables.subdomains.set(script, subdomain);
    },
    edgeRequests: ({ since, until, host, script }) =>
      requests
        .between(since, until)
        .filter((one) => (host === undefined || one.host === host) && (script === undefined || one.script === script)),
    r2Operations: ({ since, until, bucket }) =>
      operations.between(since, until).filter((one) => bucket === undefined || one.bucket === bucket),
    async close() {
      await edge.close();
      await gateway.close();
      await Promise.all(running.map((mf) => mf.dispose()));
      await Promise.all([...hosts.values()].map((mf) => mf.dispose()));
      await Promise.all(pools.map((pool) => pool.close()));
      // Last, because the others' storage is its own.
      await state.mf.dispose();
    },
  };
}

/** Whether the version binds a database; that one, when it is named. */
function bindsDatabase({ bindings }: RuntimeVersion, id?: string): boolean {
  return bindings.some((binding) => binding.type === 'hyperdrive' && (id === undefined || binding.id === id));
}
