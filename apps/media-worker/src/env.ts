import type { UserLimits } from './limits/user-limits.ts';

/** What the platform binds to the Worker. */
export interface Env {
  readonly MEDIA: R2Bucket;
  /** Hyperdrive in front of the project's Postgres. */
  readonly DATABASE: { readonly connectionString: string };
  /** One ledger for each user; the class lives in a Worker of its own. */
  readonly LIMITS: DurableObjectNamespace<UserLimits>;
  /** Every write and delete, for who mirrors them. */
  readonly EVENTS: Queue<MediaEvent>;
  readonly TELEMETRY: AnalyticsEngineDataset;
  readonly VERSION: { readonly id: string; readonly tag: string };
  readonly ENVIRONMENT: string;
  readonly MEDIA_ORIGIN: string;
  /** Comma-separated origins that may call from a browser. */
  readonly ALLOWED_ORIGINS: string;
  readonly SIGNED_URL_SECONDS: string;
  /** `worker`: bytes pass through here. `s3`: signed links lead to the bucket itself. */
  readonly SIGNED_URL_MODE: string;
  /** JSON `{tier: TierLimits}`. */
  readonly TIER_LIMITS: string;
  /** Comma-separated media types that are taken as uploads; empty for all that the Worker knows. */
  readonly UPLOAD_TYPES?: string;
  readonly JWT_ISSUER: string;
  readonly JWT_AUDIENCE: string;
  /** Secret of older Supabase projects (HS256); empty when only the key set counts. */
  readonly JWT_SECRET: string;
  /** Address of the project's public keys; empty when only the secret counts. */
  readonly JWKS_URL: string;
  /** JSON `[{id, secret}]`; the first signs, all verify. */
  readonly SIGNING_KEYS: string;
  /** Supabase's origin while the migration lasts; empty afterwards. */
  readonly LEGACY_ORIGIN: string;
  readonly LEGACY_BUCKET: string;
  readonly LEGACY_SERVICE_KEY: string;
  /** Only for the mode `s3`: the bucket's endpoint with its name, and a key for it. */
  readonly R2_S3_URL: string;
  readonly R2_ACCESS_KEY_ID: string;
  readonly R2_SECRET_ACCESS_KEY: string;
  /** Lets staging's validation set a test user's ledger; empty everywhere else. */
  readonly TEST_SECRET: string;
}

/** What happened to an object. The same event may come twice. */
export interface MediaEvent {
  readonly id: string;
  readonly type: 'put' | 'delete';
  readonly key: string;
  /** Bytes; `null` for a delete. */
  readonly size: number | null;
  readonly etag: string | null;
  /** ISO time. */
  readonly at: string;
}
