/**
 * The handle of a running local-cloud: where its parts listen and what opens them. It is what a team's
 * `.env` holds for the real clouds: base URLs and credentials, nothing else.
 */
export interface SupabaseHandle {
  /** Project ref: 20 lower-case letters. */
  ref: string;
  /** Origin of the project's gateway (`/storage/v1`, `/auth/v1`, `/rest/v1`), e.g. http://127.0.0.21:8080 */
  url: string;
  anonKey: string;
  serviceKey: string;
  /** Opens the vendor's Management API for this project. */
  managementToken: string;
  /** HS256 secret of the project's JWTs. */
  jwtSecret: string;
  s3: { endpoint: string; region: string; accessKeyId: string; secretAccessKey: string };
  /** The legacy media bucket (production has it filled; staging has an empty one). */
  bucket: string;
  databaseUrl: string;
  /** A listener and an uploader whose passwords the checks may use: tiers free, pro and enterprise. */
  users: { id: string; email: string; password: string; tier: 'free' | 'pro' | 'enterprise' }[];
}

export interface World {
  pid: number;
  startedAt: string;
  /** Where the processes keep their files. */
  folder: string;
  /** `GET /health`, `POST /heartbeat`, `POST /stop`, `/audience/*`, `/pages/*`, `/sink/*`, `/faults`, `GET /calls`. */
  controlUrl: string;
  /** One port for every public host name; the addresses below tell the sides apart. */
  httpPort: number;
  addresses: { edge: string; legacy: string; stagingSupabase: string; pages: string };
  cloudflare: {
    /** Ends with /client/v4 */
    apiBaseUrl: string;
    token: string;
    accountId: string;
    zoneId: string;
    zoneName: string;
    workersSubdomain: string;
    r2: { endpoint: string; accessKeyId: string; secretAccessKey: string };
  };
  supabase: { staging: SupabaseHandle; production: SupabaseHandle };
  dns: {
    /** ip:port */
    authority: string;
    resolvers: string[];
    /** A TTL of n seconds is kept for n / ttlScale seconds, so that a rehearsal need not wait for real ones. */
    ttlScale: number;
  };
}
