import { fileURLToPath } from 'node:url';
import type { World, SupabaseHandle } from '@crossfade/local-cloud/world';
import type { Env } from '../rollout/config.ts';

function supabaseEnv(prefix: 'STAGING' | 'PRODUCTION', handle: SupabaseHandle): Record<string, string> {
  const env: Record<string, string> = {
    SUPABASE_URL: handle.url,
    SUPABASE_ANON_KEY: handle.anonKey,
    SUPABASE_SERVICE_KEY: handle.serviceKey,
    SUPABASE_JWT_SECRET: handle.jwtSecret,
    SUPABASE_BUCKET: handle.bucket,
    SUPABASE_S3_ENDPOINT: handle.s3.endpoint,
    SUPABASE_S3_REGION: handle.s3.region,
    SUPABASE_S3_ACCESS_KEY_ID: handle.s3.accessKeyId,
    SUPABASE_S3_SECRET_ACCESS_KEY: handle.s3.secretAccessKey,
    SUPABASE_MANAGEMENT_URL: handle.url,
    SUPABASE_MANAGEMENT_TOKEN: handle.managementToken,
    SUPABASE_REF: handle.ref,
    DATABASE_URL: handle.databaseUrl,
  };
  for (const tier of ['free', 'pro', 'enterprise'] as const) {
    for (const [kind, prefix] of [
      ['TEST', 'check-'],
      ['LIMIT', 'limit-'],
    ] as const) {
      const user = handle.users.find((one) => one.tier === tier && one.email.startsWith(prefix));
      env[`${kind}_USER_${tier.toUpperCase()}_EMAIL`] = user?.email ?? '';
      env[`${kind}_USER_${tier.toUpperCase()}_PASSWORD`] = user?.password ?? '';
    }
  }
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [`${prefix}_${name}`, value]));
}

/** What stands for `wrangler pages deploy` and for Pages' rollback: asks the local cloud's pages. */
function pagesCommand(world: World, host: string, what: '{folder}' | '--restore'): string {
  const script = fileURLToPath(new URL('../../../local-cloud/src/publish-pages.ts', import.meta.url));
  return [process.execPath, script, world.controlUrl, host].map((word) => JSON.stringify(word)).join(' ') + ` ${what}`;
}

/** What a team's `.env` would hold, filled from the local cloud: base URLs and credentials, nothing else. */
export function worldEnv(world: World, signingSecret: string): Env {
  const at = (host: string): string => `http://${host}:${world.httpPort}`;
  return {
    CROSSFADE_REHEARSAL: '1',
    CLOUDFLARE_BASE_URL: world.cloudflare.apiBaseUrl,
    CLOUDFLARE_API_TOKEN: world.cloudflare.token,
    CLOUDFLARE_ACCOUNT_ID: world.cloudflare.accountId,
    CLOUDFLARE_ZONE_ID: world.cloudflare.zoneId,
    CLOUDFLARE_WORKERS_SUBDOMAIN: world.cloudflare.workersSubdomain,
    CLOUDFLARE_EDGE_ADDRESSES: world.addresses.edge,
    R2_ENDPOINT: world.cloudflare.r2.endpoint,
    R2_ACCESS_KEY_ID: world.cloudflare.r2.accessKeyId,
    R2_SECRET_ACCESS_KEY: world.cloudflare.r2.secretAccessKey,
    STAGING_MEDIA_ORIGIN: at('staging.media.audafact.com'),
    STAGING_FRONTEND_ORIGIN: at('staging.audafact.com'),
    PRODUCTION_MEDIA_ORIGIN: at('media.audafact.com'),
    PRODUCTION_FRONTEND_ORIGIN: at('audafact.com'),
    WWW_FRONTEND_ORIGIN: at('www.audafact.com'),
    ...supabaseEnv('STAGING', world.supabase.staging),
    ...supabaseEnv('PRODUCTION', world.supabase.production),
    DNS_AUTHORITY: world.dns.authority,
    DNS_RESOLVERS: world.dns.resolvers.join(','),
    DNS_TTL_SCALE: String(world.dns.ttlScale),
    MEDIA_SIGNING_SECRET: signingSecret,
    STAGING_TEST_SECRET: signingSecret.split('').toReversed().join(''),
    STAGING_PUBLISH_COMMAND: pagesCommand(world, 'staging.audafact.com', '{folder}'),
    STAGING_RESTORE_COMMAND: pagesCommand(world, 'staging.audafact.com', '--restore'),
    PRODUCTION_PUBLISH_COMMAND: pagesCommand(world, 'audafact.com', '{folder}'),
    PRODUCTION_RESTORE_COMMAND: pagesCommand(world, 'audafact.com', '--restore'),
    ALERT_WEBHOOK_URL: `${world.controlUrl}/sink/on-call`,
    ALERT_WEBHOOK_SECRET: signingSecret,
    ALERT_ACKNOWLEDGE_URL: `${world.controlUrl}/answers/{token}`,
    ANNOUNCEMENTS_WEBHOOK_URL: `${world.controlUrl}/sink/announcements`,
    ANNOUNCEMENTS_WEBHOOK_SECRET: signingSecret,
  };
}
