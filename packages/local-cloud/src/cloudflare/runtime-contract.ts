import type { Faults } from '../faults.ts';
import type { Sippy } from './sippy.ts';
import type { Sinks } from './version-bindings.ts';

/** What the account's API needs of the Workers runtime, R2 and the edge; kept apart so that each can be tested alone. */
export type RuntimeBinding =
  | { type: 'r2_bucket'; name: string; bucket_name: string }
  | { type: 'hyperdrive'; name: string; id: string }
  | { type: 'plain_text'; name: string; text: string }
  | { type: 'secret_text'; name: string; text: string }
  | { type: 'version_metadata'; name: string }
  | { type: 'durable_object_namespace'; name: string; class_name: string; script_name?: string | undefined }
  | { type: 'queue'; name: string; queue_name: string }
  | { type: 'analytics_engine'; name: string; dataset: string };

export interface RuntimeVersion {
  readonly script: string;
  /** UUID. */
  readonly versionId: string;
  readonly tag: string;
  readonly createdOn: string;
  readonly mainModule: string;
  readonly modules: Readonly<Record<string, string>>;
  readonly compatibilityDate: string;
  readonly compatibilityFlags: readonly string[];
  readonly bindings: readonly RuntimeBinding[];
  /** Durable Object classes of its own. Such a script has one running version: the newest takes the objects over. */
  readonly objectClasses: readonly string[];
}

export interface RuntimeRoute {
  /** `host/*` or `host/path*`, as Cloudflare writes them. */
  readonly pattern: string;
  readonly script: string;
}

/** One request that the edge answered. */
export interface EdgeRequest {
  /** Epoch ms. */
  readonly at: number;
  readonly host: string;
  readonly script: string;
  readonly versionId: string;
  readonly method: string;
  readonly status: number;
  /** From the edge's receipt to the response's end, ms. */
  readonly ms: number;
  readonly outcome: 'success' | 'scriptThrewException' | 'clientDisconnected' | 'internalError';
}

export interface R2Operation {
  readonly at: number;
  readonly bucket: string;
  /** The vendor's action name: GetObject, PutObject, HeadObject, ListObjects, DeleteObject, … */
  readonly action: string;
  readonly bytes: number;
}

export interface WorkersRuntime {
  /** Path-style S3 endpoint of the account's R2, in front of the same buckets that the Workers bind. */
  readonly r2Endpoint: string;
  ensureBucket(name: string): Promise<void>;
  /** Throws an Error whose message is `bucket not empty` while objects remain. */
  removeBucket(name: string): Promise<void>;
  /** From now on what the bucket lacks is asked for there over S3 and copied; `null` ends it. */
  setSippy(bucket: string, sippy: Sippy | null): void;
  bucketUsage(name: string): Promise<{ objects: number; payloadBytes: number; metadataBytes: number }>;
  /**
   * The database behind a Hyperdrive config; `null` takes the config away. Running versions that bind it go over to a
   * changed one without a request lost.
   */
  setHyperdrive(id: string, url: string | null): Promise<void>;
  /** Starts the version (its own workerd), not yet serving. Throws with the runtime's words when the code does not start. */
  addVersion(version: RuntimeVersion): Promise<{ startupTimeMs: number }>;
  /** One synchronous assignment: from the next request on, this split serves. */
  setDeployment(script: string, split: readonly { versionId: string; percentage: number }[]): void;
  setRoutes(routes: readonly RuntimeRoute[]): void;
  /** `<script>.<subdomain>.workers.dev` and `<first 8 of version id>-<script>.<subdomain>.workers.dev`. */
  setSubdomain(script: string, state: { enabled: boolean; previewsEnabled: boolean }): void;
  edgeRequests(filter: { since: number; until: number; host?: string; script?: string }): readonly EdgeRequest[];
  r2Operations(filter: { since: number; until: number; bucket?: string }): readonly R2Operation[];
  /** Deletes what the rules let expire at that time (epoch ms), and answers with the keys. */
  expireObjects(
    bucket: string,
    rules: readonly { readonly prefix: string; readonly maxAgeSeconds: number }[],
    now: number,
  ): Promise<readonly string[]>;
  close(): Promise<void>;
}

export interface WorkersRuntimeOptions {
  /** Persisted: R2 and Durable Objects survive a restart of the process. */
  readonly folder: string;
  /** Where the edge listens. */
  readonly edge: { readonly address: string; readonly port: number };
  readonly workersSubdomain: string;
  readonly r2Credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Where queue messages and data points of Workers end up. */
  readonly sinks: Sinks;
  /** What is planted; nothing when absent. */
  readonly faults?: Faults;
}
