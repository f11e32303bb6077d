import type { RolloutConfig } from '../rollout/config.ts';
import { createCloudflareApi } from './cloudflare/api-call.ts';
import { createCloudflareProvider } from './cloudflare/cloudflare-provider.ts';
import { createDnsProvider } from './dns/dns-provider.ts';
import { createPublicHttp } from './http/public-http.ts';
import { createPagerDuty } from './notify/pagerduty.ts';
import { createWebhook } from './notify/webhook.ts';
import { createOnCall } from './on-call/create-on-call.ts';
import { createDatabaseProvider } from './postgres/database-provider.ts';
import { createPublishCommand } from './frontend/publish-command.ts';
import type { AudienceProvider, Notifier, PlatformClock, Providers } from './providers.ts';
import { openS3Bucket } from './open-s3-bucket.ts';
import { createObjectStore } from './s3/object-store.ts';
import { createSupabaseProvider } from './supabase/supabase-provider.ts';

/** Every provider of one config; `close` ends their connections. */
export function createProviders(
  config: RolloutConfig,
  extras: {
    audience?: AudienceProvider;
    clock?: PlatformClock;
    /** Share of every timeout and pause; 1 everywhere but in tests. */
    pace?: number;
  } = {},
): Providers {
  const { staging, production } = config.environments;
  const { partSizeBytes } = config.transfer;
  const { pace = 1 } = extras;
  const dns = createDnsProvider(config.dns, pace);
  const http = createPublicHttp(config.dns.resolvers, pace);
  const database = {
    staging: createDatabaseProvider(staging.database.url, pace),
    production: createDatabaseProvider(production.database.url, pace),
  };
  const channels = new Map(config.notifications.map((channel) => [channel.name, createChannel(channel)]));
  const limits = { partSizeBytes, pace };
  const r2 = (bucket: string) => openR2Bucket(config, bucket, pace);
  const stores = {
    staging: r2(staging.worker.bucket),
    production: r2(production.worker.bucket),
    legacy: openS3Bucket(
      {
        label: `supabase:${production.supabase.bucket}`,
        ...production.supabase.s3,
        bucket: production.supabase.bucket,
        ...limits,
      },
      production.supabase,
    ),
  };
  const backup = config.backup === undefined ? null : r2(config.backup.bucket);
  return {
    cloudflare: createCloudflareProvider(config.cloudflare, createCloudflareApi(config.cloudflare, pace), pace),
    supabase: {
      staging: createSupabaseProvider(staging.supabase),
      production: createSupabaseProvider(production.supabase),
    },
    database,
    legacyStore: stores.legacy,
    r2: { staging: stores.staging, production: stores.production },
    backup,
    dns,
    http,
    frontend: createPublishCommand(),
    clock: extras.clock ?? null,
    notify: config.notifications.flatMap(({ name, alerts }) => (alerts ? (channels.get(name) ?? []) : [])),
    channels,
    onCall: createOnCall(config.team.onCall),
    audience: extras.audience ?? null,
    async close() {
      await Promise.all([
        http.close(),
        database.staging.close(),
        database.production.close(),
        ...[...Object.values(stores), ...(backup === null ? [] : [backup])].map((store) => store.close()),
      ]);
    },
  };
}

/** One of the account's buckets. Who opens it closes it. */
export function openR2Bucket(config: RolloutConfig, bucket: string, pace = 1): ReturnType<typeof createObjectStore> {
  const { partSizeBytes } = config.transfer;
  const limits = { partSizeBytes, pace };
  return createObjectStore({ label: `r2:${bucket}`, ...config.cloudflare.r2, bucket, normalizesKeys: true, ...limits });
}

function createChannel(channel: RolloutConfig['notifications'][number]): Notifier {
  return channel.kind === 'pagerduty'
    ? createPagerDuty(channel)
    : createWebhook(channel.name, channel.url, channel.secret, channel.acknowledgeUrl);
}
