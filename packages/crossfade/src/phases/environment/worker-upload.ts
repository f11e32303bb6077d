import { createHash } from 'node:crypto';
import type { WorkerBinding, WorkerUpload, WorkerVersion } from '../../providers/providers.ts';
import type { EnvironmentName } from '../../rollout/config.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { bundleWorker } from '../staging/worker-bundle.ts';
import { hyperdriveIdOf } from './hyperdrive-config.ts';
import { configuredLimits, limitsWithinLegacy, type UploadLimits } from './upload-limits.ts';

/** What the tag of every version looks like that Crossfade uploads. */
export const OWN_TAG = /^(bypass|migration|final|limits)-[0-9a-f]{16}$/;

/** The three builds that a rollout deploys: the fallback, the migration's one, and the one without the legacy. */
export type WorkerBuild = 'bypass' | 'migration' | 'final';

function bindings(
  { config }: RolloutContext,
  environment: EnvironmentName,
  build: WorkerBuild,
  { hyperdriveId, limits }: { readonly hyperdriveId: string; readonly limits: UploadLimits },
): WorkerBinding[] {
  const { supabase, worker, testSecret } = config.environments[environment];
  const bySignedS3 = config.worker.signedUrlMode === 's3';
  const forgotten = build === 'final' || (build === 'migration' && !config.worker.readThrough);
  const text = (name: string, value: string): WorkerBinding => ({ type: 'plain_text', name, text: value });
  const secret = (name: string, value: string): WorkerBinding => ({ type: 'secret_text', name, text: value });
  return [
    { type: 'r2_bucket', name: 'MEDIA', bucket_name: worker.bucket },
    { type: 'hyperdrive', name: 'DATABASE', id: hyperdriveId },
    { type: 'version_metadata', name: 'VERSION' },
    {
      type: 'durable_object_namespace',
      name: 'LIMITS',
      class_name: config.worker.limitsClass,
      script_name: worker.limitsName,
    },
    { type: 'queue', name: 'EVENTS', queue_name: worker.eventsQueue },
    { type: 'analytics_engine', name: 'TELEMETRY', dataset: worker.telemetryDataset },
    text('ENVIRONMENT', environment),
    text('MEDIA_ORIGIN', worker.mediaOrigin),
    text('ALLOWED_ORIGINS', config.worker.allowedOrigins.join(',')),
    text('SIGNED_URL_SECONDS', String(config.worker.signedUrlSeconds)),
    text('SIGNED_URL_MODE', config.worker.signedUrlMode),
    text('TIER_LIMITS', JSON.stringify(limits.tiers)),
    text('UPLOAD_TYPES', (limits.types ?? []).join(',')),
    text('JWKS_URL', supabase.jwksUrl),
    text('R2_S3_URL', `${config.cloudflare.r2.endpoint}/${worker.bucket}`),
    text('R2_ACCESS_KEY_ID', bySignedS3 ? config.cloudflare.r2.accessKeyId : ''),
    secret('R2_SECRET_ACCESS_KEY', bySignedS3 ? config.cloudflare.r2.secretAccessKey : ''),
    // Nobody but staging's validation may set a ledger.
    secret('TEST_SECRET', environment === 'staging' ? (testSecret ?? '') : ''),
    text('JWT_ISSUER', `${supabase.url}/auth/v1`),
    text('JWT_AUDIENCE', 'authenticated'),
    // Once the migration is over the Worker forgets the legacy store: nothing is read through any more.
    text('LEGACY_ORIGIN', forgotten ? '' : supabase.url),
    text('LEGACY_BUCKET', supabase.bucket),
    secret('LEGACY_SERVICE_KEY', forgotten ? '' : supabase.serviceKey),
    secret('JWT_SECRET', supabase.jwtSecret),
    secret('SIGNING_KEYS', JSON.stringify(config.worker.signingKeys)),
  ];
}

/** The upload of one build; its tag is a hash of code and bindings, so that a changed binding is another version. */
export async function workerUpload(
  context: RolloutContext,
  environment: EnvironmentName,
  build: WorkerBuild,
): Promise<WorkerUpload> {
  const { worker } = context.config;
  // Until the watch is over every upload has to be one that a rollback could bring back; the final build is for later.
  const isBound = environment === 'production' && build !== 'final';
  const [{ modules, mainModule }, hyperdriveId, limits] = await Promise.all([
    bundleWorker(build === 'bypass' ? worker.bypassEntry : worker.entry),
    hyperdriveIdOf(context, environment),
    isBound ? limitsWithinLegacy(context) : configuredLimits(context.config),
  ]);
  const bound = bindings(context, environment, build, { hyperdriveId, limits });
  const tag = createHash('sha256')
    .update(JSON.stringify([modules, bound, worker.compatibilityDate, worker.compatibilityFlags]))
    .digest('hex')
    .slice(0, 16);
  return {
    mainModule,
    modules,
    compatibilityDate: worker.compatibilityDate,
    compatibilityFlags: worker.compatibilityFlags,
    bindings: bound,
    tag: `${build}-${tag}`,
    message: `${context.rollout}: ${build} build for ${environment}`,
  };
}

/** The version of this build, uploaded unless the account has it already. */
export async function ensureVersion(
  context: RolloutContext,
  environment: EnvironmentName,
  build: WorkerBuild,
): Promise<{ version: WorkerVersion; uploaded: boolean }> {
  const { name } = context.config.environments[environment].worker;
  const upload = await workerUpload(context, environment, build);
  const existing = (await context.providers.cloudflare.listVersions(name)).find(
    (version) => version.tag === upload.tag,
  );
  if (existing !== undefined) return { version: existing, uploaded: false };
  return { version: await context.providers.cloudflare.uploadVersion(name, upload), uploaded: true };
}
