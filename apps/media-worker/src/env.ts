/** What the platform binds to the Worker. */
export interface Env {
  readonly MEDIA: R2Bucket;
  /** Hyperdrive in front of the project's Postgres. */
  readonly DATABASE: { readonly connectionString: string };
  readonly VERSION: { readonly id: string; readonly tag: string };
  readonly ENVIRONMENT: string;
  readonly MEDIA_ORIGIN: string;
  /** Comma-separated origins that may call from a browser. */
  readonly ALLOWED_ORIGINS: string;
  readonly SIGNED_URL_SECONDS: string;
  readonly JWT_ISSUER: string;
  readonly JWT_AUDIENCE: string;
  readonly JWT_SECRET: string;
  /** JSON `[{id, secret}]`; the first signs, all verify. */
  readonly SIGNING_KEYS: string;
  /** Supabase's origin while the migration lasts; empty afterwards. */
  readonly LEGACY_ORIGIN: string;
  readonly LEGACY_BUCKET: string;
  readonly LEGACY_SERVICE_KEY: string;
}
