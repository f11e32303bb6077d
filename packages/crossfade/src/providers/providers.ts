import type { Listing } from './listing.ts';
import type { ObjectMeta } from './object-meta.ts';
import type { StoreAbilities } from './store-abilities.ts';
import type { Readable } from 'node:stream';
import type { HyperdriveProvider } from './cloudflare/hyperdrive.ts';
import type { AudienceProvider } from './audience-provider.ts';
import type { SippyProvider } from './cloudflare/sippy.ts';
import type { SuperSlurperProvider } from './cloudflare/super-slurper.ts';
import type { Json } from '../rollout/json.ts';
import type { EnvironmentName } from '../rollout/config.ts';

export type { ObjectMeta } from './object-meta.ts';
export type {
  AudienceProvider,
  AudienceStats,
  ToldKey,
  ToldWrite,
  WriteCounts,
  WriteKind,
} from './audience-provider.ts';
export type { HyperdriveConfig, HyperdriveOrigin } from './cloudflare/hyperdrive.ts';

/** Everything outside of this process that a rollout talks to. Phases and checks know these interfaces only. */
export interface Providers {
  readonly cloudflare: CloudflareProvider;
  readonly supabase: Record<EnvironmentName, SupabaseProvider>;
  readonly database: Record<EnvironmentName, DatabaseProvider>;
  /** The object store that the app leaves (Supabase Storage over S3), production's. */
  readonly legacyStore: ObjectStore;
  readonly r2: Record<EnvironmentName, ObjectStore>;
  /** The bucket of versions; `null` where none is kept, and in a dry run, which names the bucket and no version. */
  readonly backup: ObjectStore | null;
  readonly dns: DnsProvider;
  /** HTTP as the public does it: names resolved through the configured resolvers, not this machine's. */
  readonly http: PublicHttp;
  readonly frontend: FrontendPublisher;
  /** Where alerts go. */
  readonly notify: readonly Notifier[];
  /** Every channel of the config, by its name. */
  readonly channels: ReadonlyMap<string, Notifier>;
  /** Who is on call. */
  readonly onCall: OnCallProvider;
  /** Lets the platform's clock be told the time; `null` where it cannot be (everywhere but in a rehearsal). */
  readonly clock: PlatformClock | null;
  /** Real users' requests as somebody outside counts them; `null` where nobody does (then analytics serve). */
  readonly audience: AudienceProvider | null;
  close(): Promise<void>;
}

// ---- Cloudflare -------------------------------------------------------------------------------

export type WorkerBinding =
  | { type: 'r2_bucket'; name: string; bucket_name: string }
  | { type: 'hyperdrive'; name: string; id: string }
  | { type: 'plain_text'; name: string; text: string }
  | { type: 'secret_text'; name: string; text: string }
  | { type: 'version_metadata'; name: string }
  | { type: 'durable_object_namespace'; name: string; class_name: string; script_name?: string }
  | { type: 'queue'; name: string; queue_name: string }
  | { type: 'analytics_engine'; name: string; dataset: string };

export interface WorkerUpload {
  readonly mainModule: string;
  /** Module name → ES module source. */
  readonly modules: Readonly<Record<string, string>>;
  readonly compatibilityDate: string;
  readonly compatibilityFlags: readonly string[];
  readonly bindings: readonly WorkerBinding[];
  /** Marks the build (a content hash), so that the same build is not uploaded twice. At most 100 characters. */
  readonly tag: string;
  readonly message: string;
  /** Durable Object classes that this upload brings into being; only `uploadScript` takes them. */
  readonly newClasses?: { readonly migration: string; readonly names: readonly string[] };
}

export interface WorkerVersion {
  readonly id: string;
  readonly number: number;
  readonly createdOn: string;
  readonly tag: string | null;
}

export interface DeploymentSplit {
  readonly versionId: string;
  /** 0–100; a deployment's percentages total 100. */
  readonly percentage: number;
}
export interface WorkerDeployment {
  readonly id: string;
  readonly createdOn: string;
  readonly versions: readonly DeploymentSplit[];
  readonly message: string | null;
}

export interface DnsRecord {
  readonly id: string;
  readonly type: string;
  readonly name: string;
  readonly content: string;
  readonly ttl: number;
  readonly proxied: boolean;
  readonly comment: string | null;
}

export interface LifecycleRule {
  readonly id: string;
  readonly enabled: boolean;
  readonly conditions: { readonly prefix: string };
  readonly deleteObjectsTransition?: { readonly condition: { readonly type: 'Age'; readonly maxAge: number } };
  readonly storageClassTransitions?: readonly {
    readonly condition: { readonly type: 'Age'; readonly maxAge: number };
    readonly storageClass: 'InfrequentAccess';
  }[];
  readonly abortMultipartUploadsTransition?: { readonly condition: { readonly type: 'Age'; readonly maxAge: number } };
}

export interface CorsRule {
  readonly allowed: {
    readonly origins: readonly string[];
    readonly methods: readonly string[];
    readonly headers?: readonly string[];
  };
  readonly exposeHeaders?: readonly string[];
  readonly maxAgeSeconds?: number;
}

export interface WorkerRoute {
  readonly id: string;
  readonly pattern: string;
  readonly script: string | null;
}

export interface HttpStatusCount {
  readonly status: number;
  readonly requests: number;
}

/** One message of a queue, leased to who pulled it. */
export interface QueueMessage {
  readonly id: string;
  readonly leaseId: string;
  /** The body's text; of a JSON body, its JSON. */
  readonly body: string;
  /** When it was sent, epoch ms. */
  readonly at: number;
  /** How often it was handed out, this time included. */
  readonly attempts: number;
}
export interface PulledMessages {
  readonly messages: readonly QueueMessage[];
  /** Messages in the queue, those that are leased included, as far as the vendor can tell. */
  readonly backlog: number;
}

/** The part of Cloudflare's API v4 that a rollout needs. Methods throw `ProviderError`. */
export interface CloudflareProvider extends HyperdriveProvider, SuperSlurperProvider, SippyProvider {
  /** Uploads and deploys at once: what a script with Durable Object classes needs. */
  uploadScript(script: string, upload: WorkerUpload): Promise<WorkerVersion>;
  /** Uploads without deploying. */
  uploadVersion(script: string, upload: WorkerUpload): Promise<WorkerVersion>;
  /** Newest first; empty when the script does not exist. */
  listVersions(script: string): Promise<readonly WorkerVersion[]>;
  /** Newest first, index 0 serves; empty when the script does not exist or was never deployed. */
  listDeployments(script: string): Promise<readonly WorkerDeployment[]>;
  deploy(script: string, versions: readonly DeploymentSplit[], message: string): Promise<WorkerDeployment>;
  /** `null` when the script does not exist. */
  getSubdomain(script: string): Promise<{ enabled: boolean; previewsEnabled: boolean } | null>;
  setSubdomain(script: string, state: { enabled: boolean; previewsEnabled: boolean }): Promise<void>;
  getBucket(name: string): Promise<{ name: string; createdOn: string } | null>;
  createBucket(name: string): Promise<void>;
  deleteBucket(name: string): Promise<void>;
  getLifecycle(bucket: string): Promise<readonly LifecycleRule[]>;
  putLifecycle(bucket: string, rules: readonly LifecycleRule[]): Promise<void>;
  getCors(bucket: string): Promise<readonly CorsRule[]>;
  putCors(bucket: string, rules: readonly CorsRule[]): Promise<void>;
  /** By name; `null` when there is no such queue. */
  getQueue(name: string): Promise<{ id: string; name: string; pullConsumers: number } | null>;
  createQueue(name: string): Promise<{ id: string }>;
  /** Lets a consumer outside pull from the queue. */
  createPullConsumer(queueId: string): Promise<void>;
  deleteQueue(id: string): Promise<void>;
  /**
   * Leases up to `batchSize` messages (at most 100) for so long, ms; who does not acknowledge them in time sees them
   * again. Made once: an answer that was lost on its way is such a lease.
   */
  pullMessages(
    queueId: string,
    options: { readonly batchSize: number; readonly visibilityTimeoutMs: number },
  ): Promise<PulledMessages>;
  /** Removes the messages of `acks`, and lets those of `retries` come again after their delay. */
  ackMessages(
    queueId: string,
    acks: readonly string[],
    retries: readonly { readonly leaseId: string; readonly delaySeconds: number }[],
  ): Promise<void>;
  /** Rows of a SELECT over what Workers wrote to Analytics Engine. */
  telemetry(sql: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  listDnsRecords(name: string): Promise<readonly DnsRecord[]>;
  createDnsRecord(record: Omit<DnsRecord, 'id'>): Promise<DnsRecord>;
  patchDnsRecord(id: string, change: Partial<Omit<DnsRecord, 'id'>>): Promise<DnsRecord>;
  deleteDnsRecord(id: string): Promise<void>;
  listRoutes(): Promise<readonly WorkerRoute[]>;
  createRoute(pattern: string, script: string): Promise<WorkerRoute>;
  deleteRoute(id: string): Promise<void>;
  /** Requests by HTTP status that the edge answered for one host name; an empty list means no data, not no trouble. */
  httpStatuses(host: string, sinceMs: number, untilMs: number): Promise<readonly HttpStatusCount[]>;
  /** Runtime outcomes of one script, by version. CPU time in ms. */
  workerInvocations(
    script: string,
    sinceMs: number,
    untilMs: number,
  ): Promise<
    readonly {
      versionId: string;
      requests: number;
      errors: number;
      cpuTimeP50Ms: number;
      wallTimeP99Ms: number | null;
    }[]
  >;
  /** R2 operations by action (`GetObject`, `PutObject`, …). */
  r2Operations(
    bucket: string,
    sinceMs: number,
    untilMs: number,
  ): Promise<readonly { action: string; requests: number }[]>;
  r2Storage(bucket: string): Promise<{ objects: number; payloadBytes: number; metadataBytes: number } | null>;
}

// ---- Supabase and Postgres --------------------------------------------------------------------

export interface StorageAgent {
  /** The `User-Agent` of the requests; '' where there was none. */
  readonly agent: string;
  readonly requests: number;
}

/** What a bucket of the old store refuses. Bytes. */
export interface StorageLimits {
  /** `null`: the bucket has none of its own. */
  readonly bucketBytes: number | null;
  /** `null`: none below what was asked for, or nobody can tell (`projectBy`). */
  readonly projectBytes: number | null;
  /** Who told the project's limit: its settings, or uploads that were begun and given up. */
  readonly projectBy: 'settings' | 'trying' | 'nobody';
  /** `null`: any. */
  readonly allowedTypes: readonly string[] | null;
  /** Those of the types asked for that are not allowed. */
  readonly refusedTypes: readonly string[];
}

export interface SupabaseProvider {
  /** A user's access token, by the password grant. */
  signIn(email: string, password: string): Promise<{ accessToken: string; userId: string }>;
  getBucket(id: string): Promise<{ id: string; public: boolean } | null>;
  setBucketPublic(id: string, isPublic: boolean): Promise<void>;
  /** What the bucket would refuse of uploads of up to so many bytes and of these types. Nothing is stored for it. */
  storageLimits(
    bucket: string,
    wanted: { readonly largestBytes: number; readonly types: readonly string[] },
  ): Promise<StorageLimits>;
  /** Who used Storage in that time (epoch ms), by the vendor's log; the evidence that nobody uses the legacy store. */
  storageAgents(sinceMs: number, untilMs: number): Promise<readonly StorageAgent[]>;
}

export interface DatabaseProvider {
  query<Row extends Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<readonly Row[]>;
}

// ---- Object stores (S3) -----------------------------------------------------------------------

export interface ObjectHead {
  readonly key: string;
  readonly size: number;
  /** Unquoted. */
  readonly etag: string;
  /**
   * Set where the store says that the ETag is no hash of these bytes, as with SSE-KMS, DSSE and SSE-C. A listing never
   * says so: absent means unknown.
   */
  readonly opaqueEtag?: true;
  readonly lastModified: string;
  /**
   * Why a listing does not tell this object's real key, which then nobody can ask for: `key` is only what to call it by,
   * and may stand anywhere among the others. Such an object fails by name, without a call.
   */
  readonly unreadable?: string;
}
export interface ObjectBody extends ObjectHead {
  readonly meta: ObjectMeta;
  readonly body: Readable;
}

/** One bucket of an S3-compatible store, whichever vendor keeps it. What not every store can do is in `StoreAbilities`. */
export interface ObjectStore extends Partial<StoreAbilities> {
  readonly label: string;
  /** In byte order of the keys, from the first one past `after`; page by page, never the whole listing at once. */
  list(prefix?: string, after?: string): Listing<ObjectHead>;
  head(key: string): Promise<(ObjectHead & { meta: ObjectMeta }) | null>;
  get(key: string, range?: { start: number; end: number }): Promise<ObjectBody | null>;
  /**
   * Streams `body` of exactly `size` bytes; multipart above the store's part size. Answers with the stored ETag.
   * `md5`, hex, is that of a body held whole, where the caller knows it.
   */
  put(
    key: string,
    body: Readable | Uint8Array,
    size: number,
    meta: ObjectMeta,
    md5?: string,
  ): Promise<{ etag: string }>;
  delete(key: string): Promise<void>;
  /** Why the store can hold nothing under that key, in words for a person; `null` when it can. Absent: it takes any. */
  refuses?(key: string): string | null;
  /** Where a store names no MD5 in its ETags and can compute it without sending the bytes, as a local folder can. */
  md5?(key: string): Promise<string | null>;
}

// ---- DNS, HTTP, people ------------------------------------------------------------------------

export interface DnsAnswer {
  readonly server: string;
  readonly addresses: readonly string[];
  /** Seconds left, as that server says. */
  readonly ttl: number | null;
  readonly error: string | null;
}
export interface DnsProvider {
  /** What the zone's own server says. */
  atAuthority(name: string): Promise<DnsAnswer>;
  /** What each configured resolver says; one answer for each, errors included. */
  atResolvers(name: string): Promise<readonly DnsAnswer[]>;
}

export interface PublicResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** From the request's start to the last byte, ms. */
  readonly ms: number;
  /** Address that answered. */
  readonly address: string;
}
export interface PublicHttp {
  /** `via` names a fixed address instead of asking a resolver (a version's preview, or the edge before DNS moved). */
  request(
    url: string,
    options?: {
      method?: string;
      headers?: Readonly<Record<string, string>>;
      body?: Uint8Array | string;
      timeoutMs?: number;
      via?: string;
      resolver?: number;
    },
  ): Promise<PublicResponse>;
}

export interface Notifier {
  readonly name: string;
  /** Throws `ProviderError` when the channel did not accept the message. */
  send(message: {
    title: string;
    text: string;
    severity: 'critical' | 'warning' | 'info';
    dedupKey: string;
    details: Json;
  }): Promise<void>;
  /** Absent where nobody can answer through this channel. */
  readonly pager?: Pager;
}

export interface Page {
  /** The person's name, and their address in this channel. */
  readonly to: string;
  readonly address: string;
  readonly title: string;
  readonly text: string;
  /** The same token is the same page, however often it is sent. */
  readonly token: string;
  /** Level of the escalation; 0 for whoever is on call. */
  readonly level: number;
  /** `false` in a drill, for a level that is to leave the page to the next one. */
  readonly answerWanted: boolean;
}

/** Calls one person, and learns whether they answered. Methods throw `ProviderError`. */
export interface Pager {
  page(page: Page): Promise<void>;
  answered(token: string): Promise<boolean>;
  /** The test is over: nobody is to be called again for it. */
  close(token: string): Promise<void>;
}

/** One person's turn. Epoch ms; `until` is no more part of it. */
export interface Shift {
  readonly person: string;
  readonly from: number;
  readonly until: number;
}

/** Wherever the schedule is kept. Throws `ProviderError`, or `PlanFileError` for a file of the team's. */
export interface OnCallProvider {
  /** Words for where it is kept, for a person who is to mend it. */
  readonly place: string;
  /** Turns that touch this time (epoch ms), in no order. Of two at once the first listed is called. */
  shifts(from: number, until: number): Promise<readonly Shift[]>;
}

/** Puts a built front end where the public finds it. */
export interface FrontendPublisher {
  /** Runs the team's command on the folder. Throws `ProviderError` with what the command said. */
  publish(command: string, folder: string): Promise<void>;
  /** Runs the team's command that brings an earlier build back. Throws `ProviderError` with what the command said. */
  restore(command: string, build: string): Promise<void>;
}

export interface PlatformClock {
  /** The bucket's lifecycle rules act as if it were that time (epoch ms); answers with the keys that expired. */
  expireObjects(bucket: string, nowMs: number): Promise<readonly string[]>;
}
