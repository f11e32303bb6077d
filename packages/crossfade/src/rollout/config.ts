import * as v from 'valibot';

export type EnvironmentName = 'staging' | 'production';

const name = v.pipe(v.string(), v.minLength(1));
const url = v.pipe(v.string(), v.url());
const positive = v.pipe(v.number(), v.minValue(0));
const secret = v.pipe(v.string(), v.minLength(1));
/** `ip:port`, as `dns.Resolver.setServers` takes it. */
const dnsServer = v.pipe(v.string(), v.regex(/^\[?[0-9a-f.:]+\]?:\d+$/i, 'expected ip:port'));

const s3 = v.strictObject({
  endpoint: url,
  region: name,
  accessKeyId: secret,
  secretAccessKey: secret,
  /** Of temporary credentials. */
  sessionToken: v.optional(secret),
});

/** A place for objects besides the rollout's own three, for `crossfade copy` and `verify`. */
const store = v.variant('kind', [
  v.strictObject({
    kind: v.literal('s3'),
    ...s3.entries,
    bucket: name,
    /** The store holds one object for keys that differ by Unicode normalisation alone; known of R2 by its address. */
    normalizesKeys: v.optional(v.boolean()),
    /** The Supabase project behind the endpoint: it tells custom metadata that headers cannot. */
    project: v.optional(v.strictObject({ url, serviceKey: secret })),
  }),
  /** Supabase Storage over REST, read only: for a project that gives out no S3 keys. */
  v.strictObject({ kind: v.literal('supabase'), url, serviceKey: secret, bucket: name }),
  v.strictObject({ kind: v.literal('folder'), path: name }),
]);

/** What Hyperdrive has to be told of a database: who, where and which. */
function isDatabaseUrl(text: string): boolean {
  const parsed = URL.canParse(text) ? new URL(text) : null;
  return (
    parsed !== null &&
    /^postgres(ql)?:$/.test(parsed.protocol) &&
    [parsed.username, parsed.password, parsed.hostname, parsed.pathname.slice(1)].every((part) => part !== '')
  );
}

const tier = v.picklist(['free', 'pro', 'enterprise']);
const testUser = v.strictObject({ email: name, password: secret, tier });
const count = v.pipe(v.number(), v.integer(), v.minValue(1));
const tierLimits = v.strictObject({
  uploadBytesPerDay: count,
  uploadsPerDay: count,
  /** Bytes. */
  largestFile: count,
  previewsPerHour: count,
  downloadsPerDay: count,
  /** Signed links that are not yet expired. */
  liveUrls: count,
});

/** One rule on the error budget: it must burn so many times too fast over a long and over a short window. */
const burnRate = v.pipe(
  v.strictObject({
    name,
    /** Windows as the plan has them, ms; a rehearsal shortens them as it shortens `durations.monitor`. */
    longMs: v.pipe(v.number(), v.minValue(1)),
    shortMs: v.pipe(v.number(), v.minValue(1)),
    factor: v.pipe(v.number(), v.minValue(1)),
    action: v.picklist(['roll back', 'warn']),
  }),
  v.check(({ longMs, shortMs }) => shortMs < longMs, 'expected shortMs to be shorter than longMs'),
);

const bucketName = v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/, 'expected an R2 bucket name'));

const environment = v.strictObject({
  worker: v.strictObject({
    name,
    bucket: bucketName,
    /** Where the media is served: `https://media.audafact.com`; a rehearsal's has a port. */
    mediaOrigin: url,
    /** The Worker that keeps the users' ledgers, the queue that is told of every write, the dataset of its telemetry. */
    limitsName: name,
    eventsQueue: v.pipe(v.string(), v.regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'expected a name of a queue')),
    telemetryDataset: v.pipe(v.string(), v.regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'expected a name of a dataset')),
  }),
  frontend: v.strictObject({
    origin: url,
    /** Folder of its sources, relative to the repository. */
    source: name,
    /** Publishes a built folder: `{folder}` is replaced by its path. */
    publishCommand: v.pipe(v.string(), v.includes('{folder}', 'expected {folder} in the command')),
    /** Brings back the release from before: `{build}` is replaced by what its `config.json` calls itself. */
    restoreCommand: name,
  }),
  supabase: v.strictObject({
    url,
    anonKey: secret,
    serviceKey: secret,
    /** Older projects sign with a secret; it may be empty where only the public keys count. */
    jwtSecret: v.string(),
    /** Address of the project's public keys; empty where only the secret counts. */
    jwksUrl: v.string(),
    /** Bucket of Supabase Storage that holds (or held) the media. */
    bucket: name,
    s3,
    /** The vendor's Management API: its log tells clean-up who still uses the legacy store. */
    management: v.optional(
      v.strictObject({
        apiUrl: url,
        /** A personal access token. */
        token: secret,
        /** 20 lower-case letters. */
        ref: name,
      }),
    ),
  }),
  database: v.strictObject({
    url: v.pipe(secret, v.check(isDatabaseUrl, 'expected postgresql://user:password@host:port/database')),
  }),
  /** A Hyperdrive config of the team's own; without it Crossfade keeps one for the environment's database. */
  hyperdriveId: v.optional(name),
  /** Users that checks sign in as; they own nothing but what the checks make. */
  testUsers: v.pipe(v.array(testUser), v.minLength(2)),
  /** One more of each tier: the checks of limits fill their ledgers, so nobody else may use them. */
  limitUsers: v.array(testUser),
  /** Lets the checks set these users' ledgers; staging only. */
  testSecret: v.optional(secret),
});

const duration = v.strictObject({
  /** What the plan says, ms. */
  plannedMs: positive,
  /** What this run allows, ms. */
  deadlineMs: positive,
});

/** A generic webhook. With `acknowledgeUrl`, asked for each page's `{token}`, whoever is paged can answer. */
const webhookChannel = v.strictObject({
  name,
  kind: v.literal('webhook'),
  url,
  secret: v.optional(secret),
  acknowledgeUrl: v.optional(v.pipe(url, v.includes('{token}', 'expected {token} in the address'))),
  /** Whether alerts go there too: what the public reads gets announcements only. */
  alerts: v.boolean(),
});
const pagerDutyChannel = v.strictObject({
  name,
  kind: v.literal('pagerduty'),
  /** `https://events.pagerduty.com`, in Europe `https://events.eu.pagerduty.com`. */
  eventsBaseUrl: url,
  routingKeySecret: secret,
  /** `https://api.pagerduty.com`: where the answers to pages are read. */
  apiBaseUrl: url,
  apiToken: secret,
  alerts: v.boolean(),
});

/** Who is on call: the team's own file, an iCalendar (a file or its secret address), or a schedule of PagerDuty's. */
const onCall = v.variant('kind', [
  v.strictObject({ kind: v.literal('file'), file: name }),
  v.strictObject({ kind: v.literal('icalendar'), file: name }),
  v.strictObject({ kind: v.literal('icalendar-url'), secretUrl: url }),
  v.strictObject({ kind: v.literal('pagerduty'), apiBaseUrl: url, apiToken: secret, scheduleId: name }),
]);

/** The people's side. Files and folders are relative to the repository. */
const team = v.strictObject({
  /** Names and contacts. */
  people: name,
  onCall,
  /** Folder of the messages. */
  communications: name,
  escalation: name,
  /** How long a test page may wait for its answer, ms. */
  answerWithinMs: positive,
  /** How much faster than the plan's minutes the drill waits; 1 everywhere but in a rehearsal. */
  drillScale: v.pipe(v.number(), v.minValue(1)),
});

const gates = v.strictObject({
  /** Gates that hold only when somebody signed for them (`crossfade approve`). */
  signOffs: v.array(v.picklist(['cutover', 'cleanup'])),
  signOffExpiresMs: positive,
  /** How long staging's verdicts count. */
  validationExpiresMs: positive,
});

/** As Postgres takes it unquoted. */
const column = v.pipe(v.string(), v.regex(/^[a-z_][a-z0-9_]*$/, 'expected a name of a column'));
const table = v.pipe(v.string(), v.regex(/^[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*$/, 'expected schema.table'));

/** Rows of the app's database that address media: by public URL in the old world, by key in the new one. */
const mediaRows = v.strictObject({
  /** Folder of the numbered SQL migrations, relative to the repository. */
  migrations: name,
  tables: v.pipe(v.array(table), v.minLength(1)),
  urlColumn: column,
  keyColumn: column,
});

/** Everything that a rollout needs to know of one app. Unknown fields are errors. */
const fields = v.strictObject({
  name,
  cloudflare: v.strictObject({
    apiBaseUrl: url,
    apiToken: secret,
    accountId: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/, 'expected 32 hex digits')),
    zoneId: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/, 'expected 32 hex digits')),
    workersSubdomain: name,
    r2: s3,
  }),
  environments: v.strictObject({ staging: environment, production: environment }),
  dns: v.strictObject({
    authority: dnsServer,
    resolvers: v.pipe(v.array(dnsServer), v.minLength(1)),
    /** TTL of the media record during the move, seconds. */
    loweredTtlSeconds: v.pipe(v.number(), v.integer(), v.minValue(60)),
    /** Content of the proxied record (an address that only Cloudflare's edge answers for). */
    edgeRecord: v.strictObject({ type: v.picklist(['A', 'AAAA', 'CNAME']), content: name }),
    /** Addresses of Cloudflare's edge as resolvers hand them out, to tell the two sides apart. */
    edgeAddresses: v.pipe(v.array(name), v.minLength(1)),
    /** How much faster than the wall clock the resolvers let a TTL run out; 1 everywhere but in a rehearsal. */
    ttlScale: v.pipe(v.number(), v.minValue(1)),
  }),
  worker: v.strictObject({
    /** Source files, relative to the repository. */
    entry: name,
    bypassEntry: name,
    /** The Worker of the ledgers, and the class in it. */
    limitsEntry: name,
    limitsClass: name,
    /** Media types that the Worker takes as uploads; all that it knows when absent. */
    uploadTypes: v.optional(
      v.pipe(v.array(v.pipe(v.string(), v.includes('/', 'expected type/subtype'))), v.minLength(1)),
    ),
    tiers: v.strictObject({ free: tierLimits, pro: tierLimits, enterprise: tierLimits }),
    /** `worker`: bytes pass through the Worker. `s3`: signed links lead straight to the bucket. */
    signedUrlMode: v.picklist(['worker', 's3']),
    /** Whether what R2 lacks is served from legacy, and carried over, while the migration lasts. */
    readThrough: v.boolean(),
    compatibilityDate: v.pipe(v.string(), v.isoDate()),
    compatibilityFlags: v.array(name),
    allowedOrigins: v.array(url),
    /**
     * The Worker's own rule about keys: why it cannot serve an object under this one, in words that follow "the key …",
     * or `null`. Preparation asks it about every key of legacy. Without it, the Worker is taken to serve them all.
     */
    whyUnservable: v.optional(
      v.custom<(key: string) => string | null>((found) => typeof found === 'function', 'expected a function of a key'),
    ),
    /** Secret of the signed URLs, newest first: two are alive while one is rotated. */
    signingKeys: v.pipe(v.array(v.strictObject({ id: name, secret })), v.minLength(1)),
    signedUrlSeconds: v.pipe(v.number(), v.integer(), v.minValue(1)),
  }),
  mediaRows,
  /** Where versions of the media are kept from preparation on; without it nothing can be restored to a point in time. */
  backup: v.optional(v.strictObject({ bucket: bucketName })),
  bucketRules: v.strictObject({
    /** Seconds. */
    infrequentAccessAfter: positive,
    abortUploadsAfter: positive,
    expire: v.array(v.strictObject({ prefix: name, after: positive })),
  }),
  transfer: v.strictObject({
    /**
     * Who carries the bulk in preparation, `own` when absent (docs/transfer.md); the rest, and the proof of every object,
     * are ours either way.
     */
    bulk: v.optional(v.picklist(['own', 'super-slurper', 'sippy'])),
    /** Objects on their way at once, at most; `auto` finds out how many serve best. */
    concurrency: v.optional(v.union([v.literal('auto'), v.pipe(v.number(), v.integer(), v.minValue(1))]), 'auto'),
    partSizeBytes: v.pipe(v.number(), v.integer(), v.minValue(5 * 1024 * 1024)),
    /** What production writes to R2 goes back to legacy as well, by the queue's events and by sweeps. */
    mirror: v.optional(
      v.strictObject({
        /** An empty queue is asked again after so long, ms. */
        pollMs: v.pipe(v.number(), v.minValue(100)),
        /** An event that was handed out and not acknowledged by then comes again, ms. */
        visibilityMs: v.pipe(v.number(), v.integer(), v.minValue(1000), v.maxValue(43_200_000)),
        /** Both sides are listed and compared so often, ms. */
        sweepEveryMs: positive,
        /** A change that is not in legacy after so long warns, s. */
        maxLagSeconds: positive,
        /** So long a request that a version had begun before it was taken back may still write, ms. */
        lateWritesMs: v.optional(positive, 120_000),
      }),
      { pollMs: 2000, visibilityMs: 60_000, sweepEveryMs: 600_000, maxLagSeconds: 60, lateWritesMs: 120_000 },
    ),
    /**
     * When the old store would refuse uploads that the Worker accepts, and so lose them in a rollback: `narrow` lets the
     * Worker accept no more than the old store until the watch is over, `refuse`, when absent, switches nothing.
     */
    legacyLimits: v.optional(v.picklist(['narrow', 'refuse'])),
    /** The old project's own limit, bytes, where neither its settings nor trying tell it. */
    legacyLargestBytes: v.optional(count),
    /** What preparation found, and people have read and live with, by name. */
    accepted: v.optional(
      v.strictObject({
        /** Keys that the Worker will not serve. */
        unservableKeys: v.optional(v.array(name)),
        /** Keys in R2 that the old store cannot hold: a rollback leaves them in R2. */
        refusedKeys: v.optional(v.array(name)),
        /** Policies of `storage.objects` that go by an object's owner, which a rollback's uploads do not have. */
        ownerPolicies: v.optional(v.array(name)),
      }),
    ),
    /** How far behind the source a target may be to count as caught up, s; 30 when absent. */
    maxLagSeconds: v.optional(positive),
    /** By the names that locations call them. */
    stores: v.optional(
      v.record(v.pipe(v.string(), v.regex(/^[a-z][a-z0-9-]*$/, 'expected a name like old-media')), store),
    ),
  }),
  targets: v.strictObject({
    responseMs: positive,
    /** Between 0 and 1. */
    errorRate: positive,
    /** Requests a second that staging must sustain. */
    throughput: positive,
    /** How much slower than staging production may be: the larger of so many times, and so many ms more. */
    /** What a browser may see of the front end: largest paint and start of a preview in ms, layout shift as a score. */
    browser: v.strictObject({ lcpMs: positive, cls: positive, previewStartMs: positive }),
    stagingTolerance: v.strictObject({ factor: v.pipe(v.number(), v.minValue(1)), plusMs: positive }),
  }),
  /** When production counts as in trouble from the cutover on (docs/monitoring.md). */
  trouble: v.strictObject({
    /** How fast the error budget, `targets.errorRate`, may burn. */
    burnRates: v.pipe(v.array(burnRate), v.minLength(1)),
    /** A long window with fewer requests, or fewer failed ones, than these is no evidence either way. */
    minimumRequests: count,
    minimumFailed: count,
    /** No data at all for so long counts as trouble, ms. */
    silenceMs: v.pipe(v.number(), v.minValue(1)),
    /** The canary's signed reads, judged over the windows of the first of `burnRates`. */
    responseTime: v.strictObject({
      /** The share of reads that must be faster, between 0 and 1: 0.95 is p95. */
      percentile: v.pipe(v.number(), v.gtValue(0), v.ltValue(1)),
      /** Slower than this warns, ms; slower than that is trouble, ms. */
      warnMs: positive,
      rollBackMs: positive,
      /** Fewer slow reads than these are a hiccup of the network. */
      minimumSlow: count,
    }),
  }),
  /** Alerts on cost, quotas and use (docs/monitoring.md); none of them rolls back. */
  usage: v.strictObject({
    /** Over so long, as the plan has it, ms; a rehearsal shortens it as it shortens `durations.monitor`. */
    windowMs: v.pipe(v.number(), v.minValue(1)),
    /** More requests refused for a quota than this in a window, a higher cost (USD), more requests a second at the edge. */
    quotaRefusals: positive,
    costPerHour: positive,
    requestsPerSecond: positive,
    /** So many sign-ups in a window, and one upload of so many bytes, are told. */
    newUsers: count,
    largeUploadBytes: count,
    /** The vendor's list, USD. */
    prices: v.strictObject({
      classAPerMillion: positive,
      classBPerMillion: positive,
      workerRequestsPerMillion: positive,
      storageGigabyteMonth: positive,
    }),
  }),
  rolloutSteps: v.pipe(v.array(v.pipe(v.number(), v.minValue(0), v.maxValue(100))), v.minLength(1)),
  durations: v.strictObject({
    worker: duration,
    dns: duration,
    verify: duration,
    monitor: duration,
    watch: duration,
  }),
  notifications: v.pipe(
    v.array(v.variant('kind', [webhookChannel, pagerDutyChannel])),
    v.check((all) => new Set(all.map((one) => one.name)).size === all.length, 'expected each name once'),
  ),
  team,
  gates,
});

export const rolloutConfigSchema = v.pipe(
  fields,
  v.check(
    ({ backup, environments: { staging, production } }) =>
      backup === undefined || ![staging.worker.bucket, production.worker.bucket].includes(backup.bucket),
    'backup.bucket: expected another bucket than the media lie in',
  ),
);

export type RolloutConfig = v.InferOutput<typeof rolloutConfigSchema>;
export type StoreConfig = v.InferOutput<typeof store>;
export type EnvironmentConfig = RolloutConfig['environments']['production'];

/** Environment variables, or a rehearsal's stand-ins for them. */
export type Env = Readonly<Record<string, string | undefined>>;

/** Gives the editor its types; the values are checked when the file is loaded. */
export function defineRollout(make: (env: Env) => RolloutConfig): (env: Env) => RolloutConfig {
  return make;
}
