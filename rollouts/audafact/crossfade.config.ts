import { defineRollout, type Env } from '@crossfade/crossfade/rollout/config';
import { whyUnservable } from '../../apps/media-worker/src/servable-key.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY_SECONDS = 24 * 3600;

/** An environment's own variables begin with its name: `STAGING_SUPABASE_URL`, `PRODUCTION_SUPABASE_URL`. */
function environment(
  env: Env,
  prefix: 'STAGING' | 'PRODUCTION',
  names: { worker: string; bucket: string; media: string; frontend: string; branch: string },
) {
  const of = (name: string): string => env[`${prefix}_${name}`] ?? '';
  const hyperdriveId = env[`${prefix}_HYPERDRIVE_ID`];
  return {
    worker: {
      name: names.worker,
      bucket: names.bucket,
      mediaOrigin: env[`${prefix}_MEDIA_ORIGIN`] ?? `https://${names.media}`,
      limitsName: `${names.worker}-limits`,
      eventsQueue: `${names.bucket}-events`,
      telemetryDataset: `${names.bucket.replaceAll('-', '_')}_media`,
    },
    frontend: {
      origin: env[`${prefix}_FRONTEND_ORIGIN`] ?? `https://${names.frontend}`,
      source: 'apps/studio',
      publishCommand:
        env[`${prefix}_PUBLISH_COMMAND`] ??
        `npx wrangler pages deploy {folder} --project-name audafact --branch ${names.branch}`,
      // Pages keeps every deployment: note the id of the one that serves before the cutover.
      restoreCommand:
        env[`${prefix}_RESTORE_COMMAND`] ??
        'curl --fail -X POST -H "Authorization: Bearer $CLOUDFLARE_API_TOKEN" "https://api.cloudflare.com/client/v4/accounts/$CLOUDFLARE_ACCOUNT_ID/pages/projects/audafact/deployments/$PAGES_DEPLOYMENT_BEFORE/rollback"',
    },
    supabase: {
      url: of('SUPABASE_URL'),
      anonKey: of('SUPABASE_ANON_KEY'),
      serviceKey: of('SUPABASE_SERVICE_KEY'),
      jwtSecret: of('SUPABASE_JWT_SECRET'),
      jwksUrl: of('SUPABASE_JWKS_URL'),
      bucket: of('SUPABASE_BUCKET'),
      s3: {
        endpoint: of('SUPABASE_S3_ENDPOINT'),
        region: of('SUPABASE_S3_REGION'),
        accessKeyId: of('SUPABASE_S3_ACCESS_KEY_ID'),
        secretAccessKey: of('SUPABASE_S3_SECRET_ACCESS_KEY'),
      },
      ...management(env, prefix),
    },
    database: { url: of('DATABASE_URL') },
    // Without one of the team's own Crossfade keeps one.
    ...(hyperdriveId === undefined ? {} : { hyperdriveId }),
    testUsers: users(env, `${prefix}_TEST_USER`),
    limitUsers: users(env, `${prefix}_LIMIT_USER`),
    ...(prefix === 'STAGING' ? { testSecret: of('TEST_SECRET') } : {}),
  };
}

/** With a personal access token, the project's log can be asked who still uses the old store. */
function management(env: Env, prefix: string) {
  const token = env[`${prefix}_SUPABASE_MANAGEMENT_TOKEN`];
  if (token === undefined) return {};
  const host = URL.parse(env[`${prefix}_SUPABASE_URL`] ?? '')?.hostname ?? '';
  return {
    management: {
      apiUrl: env[`${prefix}_SUPABASE_MANAGEMENT_URL`] ?? 'https://api.supabase.com',
      token,
      // `https://<ref>.supabase.co`
      ref: env[`${prefix}_SUPABASE_REF`] ?? host.split('.')[0] ?? '',
    },
  };
}

/** One user of each tier: `<prefix>_FREE_EMAIL`, `<prefix>_FREE_PASSWORD`, … */
function users(env: Env, prefix: string) {
  return (['free', 'pro', 'enterprise'] as const).map((tier) => ({
    email: env[`${prefix}_${tier.toUpperCase()}_EMAIL`] ?? '',
    password: env[`${prefix}_${tier.toUpperCase()}_PASSWORD`] ?? '',
    tier,
  }));
}

/** A channel from `<prefix>_WEBHOOK_URL`, `_WEBHOOK_SECRET` and `_ACKNOWLEDGE_URL`; none where there is no address. */
function webhook(env: Env, name: string, prefix: string, alerts: boolean) {
  const url = env[`${prefix}_WEBHOOK_URL`];
  const secret = env[`${prefix}_WEBHOOK_SECRET`];
  const acknowledgeUrl = env[`${prefix}_ACKNOWLEDGE_URL`];
  if (url === undefined) return [];
  return [
    {
      name,
      kind: 'webhook' as const,
      url,
      alerts,
      ...(secret === undefined ? {} : { secret }),
      ...(acknowledgeUrl === undefined ? {} : { acknowledgeUrl }),
    },
  ];
}

const MEBIBYTE = 1024 * 1024;
const GIBIBYTE = 1024 * MEBIBYTE;

/** The plan's time, and what a rehearsal makes of it. */
function scaled(env: Env, plannedMs: number, rehearsalMs: number) {
  return { plannedMs, deadlineMs: env['CROSSFADE_REHEARSAL'] === '1' ? rehearsalMs : plannedMs };
}

/** Audafact's move from Supabase Storage to R2. Credentials and addresses come from the environment. */
export default defineRollout((env) => ({
  name: 'audafact',
  cloudflare: {
    apiBaseUrl: env['CLOUDFLARE_BASE_URL'] ?? 'https://api.cloudflare.com/client/v4',
    apiToken: env['CLOUDFLARE_API_TOKEN'] ?? '',
    accountId: env['CLOUDFLARE_ACCOUNT_ID'] ?? '',
    zoneId: env['CLOUDFLARE_ZONE_ID'] ?? '',
    workersSubdomain: env['CLOUDFLARE_WORKERS_SUBDOMAIN'] ?? '',
    r2: {
      endpoint: env['R2_ENDPOINT'] ?? `https://${env['CLOUDFLARE_ACCOUNT_ID'] ?? ''}.r2.cloudflarestorage.com`,
      region: 'auto',
      accessKeyId: env['R2_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: env['R2_SECRET_ACCESS_KEY'] ?? '',
    },
  },
  environments: {
    staging: environment(env, 'STAGING', {
      worker: 'audafact-api-staging',
      bucket: 'audafact-staging',
      media: 'staging.media.audafact.com',
      frontend: 'staging.audafact.com',
      branch: 'staging',
    }),
    production: environment(env, 'PRODUCTION', {
      worker: 'audafact-api',
      bucket: 'audafact',
      media: 'media.audafact.com',
      frontend: 'audafact.com',
      branch: 'main',
    }),
  },
  dns: {
    authority: env['DNS_AUTHORITY'] ?? '',
    resolvers: (env['DNS_RESOLVERS'] ?? '1.1.1.1:53,8.8.8.8:53,9.9.9.9:53').split(','),
    loweredTtlSeconds: 60,
    // An address that nobody has (RFC 5737): the record is proxied, so Cloudflare's edge answers for it.
    edgeRecord: { type: 'A', content: '192.0.2.1' },
    edgeAddresses: (env['CLOUDFLARE_EDGE_ADDRESSES'] ?? '').split(',').filter((address) => address !== ''),
    ttlScale: Number(env['DNS_TTL_SCALE'] ?? '1'),
  },
  worker: {
    entry: 'apps/media-worker/src/worker.ts',
    bypassEntry: 'apps/media-worker/src/bypass.ts',
    limitsEntry: 'apps/media-worker/src/limits/limits-worker.ts',
    limitsClass: 'UserLimits',
    tiers: {
      free: {
        uploadBytesPerDay: 100 * MEBIBYTE,
        uploadsPerDay: 5,
        largestFile: 25 * MEBIBYTE,
        previewsPerHour: 100,
        downloadsPerDay: 10,
        liveUrls: 3,
      },
      pro: {
        uploadBytesPerDay: GIBIBYTE,
        uploadsPerDay: 50,
        largestFile: 100 * MEBIBYTE,
        previewsPerHour: 1000,
        downloadsPerDay: 100,
        liveUrls: 10,
      },
      enterprise: {
        uploadBytesPerDay: 10 * GIBIBYTE,
        uploadsPerDay: 500,
        largestFile: 500 * MEBIBYTE,
        previewsPerHour: 10_000,
        downloadsPerDay: 1000,
        liveUrls: 50,
      },
    },
    uploadTypes: ['audio/mpeg', 'audio/wav', 'audio/mp4'],
    signedUrlMode: 'worker',
    readThrough: true,
    whyUnservable,
    compatibilityDate: '2026-07-01',
    compatibilityFlags: ['nodejs_compat'],
    allowedOrigins: [
      env['PRODUCTION_FRONTEND_ORIGIN'] ?? 'https://audafact.com',
      env['WWW_FRONTEND_ORIGIN'] ?? 'https://www.audafact.com',
      env['STAGING_FRONTEND_ORIGIN'] ?? 'https://staging.audafact.com',
    ],
    signingKeys: [{ id: 'k1', secret: env['MEDIA_SIGNING_SECRET'] ?? '' }],
    signedUrlSeconds: 300,
  },
  mediaRows: {
    migrations: 'rollouts/audafact/migrations',
    tables: ['public.library_tracks', 'public.uploads'],
    urlColumn: 'file_url',
    keyColumn: 'file_key',
  },
  // A rehearsal keeps versions only where it is asked to: each object is copied once more.
  ...(env['CROSSFADE_REHEARSAL'] === '1' && env['BACKUP_BUCKET'] === undefined
    ? {}
    : { backup: { bucket: env['BACKUP_BUCKET'] ?? 'audafact-backup' } }),
  bucketRules: {
    infrequentAccessAfter: 30 * DAY_SECONDS,
    abortUploadsAfter: DAY_SECONDS,
    expire: [{ prefix: 'sessions/', after: 7 * DAY_SECONDS }],
  },
  transfer: {
    // A ceiling: listeners are served from the same storage while it is copied.
    concurrency: 12,
    partSizeBytes: 16 * 1024 * 1024,
    legacyLimits: 'narrow',
    mirror:
      env['CROSSFADE_REHEARSAL'] === '1'
        ? { pollMs: 1000, visibilityMs: 10_000, sweepEveryMs: 10_000, maxLagSeconds: 30, lateWritesMs: 5000 }
        : { pollMs: 2000, visibilityMs: 60_000, sweepEveryMs: 600_000, maxLagSeconds: 60, lateWritesMs: 120_000 },
  },
  targets: {
    responseMs: 200,
    errorRate: 0.001,
    throughput: env['CROSSFADE_REHEARSAL'] === '1' ? 50 : 100,
    // What a good page is to a browser (web.dev's bounds), and the plan's own for the start of a preview.
    // A rehearsal's browser shares its two cores with the whole cloud and its audience.
    browser:
      env['CROSSFADE_REHEARSAL'] === '1'
        ? // Two cores: 1.3 to 2.6 s were seen on a machine that did nothing else, while the audience is served beside it.
          { lcpMs: 5000, cls: 0.1, previewStartMs: 4000 }
        : { lcpMs: 2500, cls: 0.1, previewStartMs: 500 },
    // In a rehearsal production has its audience, staging has none, and both are on the same cores: what a busy machine
    // adds, it adds to production several times over.
    stagingTolerance: { factor: 1.5, plusMs: env['CROSSFADE_REHEARSAL'] === '1' ? 100 : 50 },
  },
  trouble: {
    // The windows and factors of the SRE workbook, chapter 5: 2 % of a month's budget in an hour, 5 % in six hours,
    // 10 % in a day.
    burnRates: [
      { name: 'fast', longMs: HOUR, shortMs: 5 * MINUTE, factor: 14.4, action: 'roll back' },
      { name: 'slow', longMs: 6 * HOUR, shortMs: 30 * MINUTE, factor: 6, action: 'roll back' },
      { name: 'budget', longMs: 24 * HOUR, shortMs: 2 * HOUR, factor: 3, action: 'warn' },
    ],
    minimumRequests: 20,
    minimumFailed: 3,
    silenceMs: scaled(env, 5 * MINUTE, 6 * SECOND).deadlineMs,
    // A rehearsal's production shares two cores with its audience: it warns later, and rolls back at the same.
    responseTime: {
      percentile: 0.95,
      warnMs: env['CROSSFADE_REHEARSAL'] === '1' ? 500 : 200,
      rollBackMs: 1000,
      minimumSlow: 15,
    },
  },
  usage: {
    windowMs: HOUR,
    // The earlier phases' thresholds: 100 refusals an hour, $50 a day, 100 users at once who ask twice a second.
    quotaRefusals: 100,
    costPerHour: 50 / 24,
    requestsPerSecond: 200,
    newUsers: 1,
    largeUploadBytes: 100_000_000,
    // Cloudflare's price pages, November 2026.
    prices: {
      classAPerMillion: 4.5,
      classBPerMillion: 0.36,
      workerRequestsPerMillion: 0.3,
      storageGigabyteMonth: 0.015,
    },
  },
  rolloutSteps: [1, 10, 50, 100],
  durations: {
    worker: scaled(env, 5 * MINUTE, 30 * SECOND),
    dns: scaled(env, 5 * MINUTE, 90 * SECOND),
    verify: scaled(env, 10 * MINUTE, 60 * SECOND),
    monitor: scaled(env, HOUR, 15 * SECOND),
    watch: scaled(env, 24 * HOUR, 15 * SECOND),
  },
  notifications: [...webhook(env, 'on-call', 'ALERT', true), ...webhook(env, 'announcements', 'ANNOUNCEMENTS', false)],
  team: {
    people: 'rollouts/audafact/on-call/people.json',
    onCall: { kind: 'file', file: 'rollouts/audafact/on-call/schedule.json' },
    communications: 'rollouts/audafact/communications',
    escalation: 'rollouts/audafact/escalation/escalation.json',
    answerWithinMs: scaled(env, 10 * MINUTE, 10 * SECOND).deadlineMs,
    // Five minutes of waiting pass in one second.
    drillScale: env['CROSSFADE_REHEARSAL'] === '1' ? 300 : 1,
  },
  gates: { signOffs: ['cutover'], signOffExpiresMs: 24 * HOUR, validationExpiresMs: 24 * HOUR },
}));
