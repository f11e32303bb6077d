import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { SignJWT } from 'jose';
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare';
import { Client } from 'pg';
import { bundleWorker } from '../../../packages/crossfade/src/phases/staging/worker-bundle.ts';
import { openDataPoints } from '../../../packages/local-cloud/src/cloudflare/data-points.ts';
import { sinkWorker } from '../../../packages/local-cloud/src/cloudflare/version-bindings.ts';
import {
  startTemporaryProject,
  TEMPORARY_JWT_SECRET,
} from '../../../packages/local-cloud/src/supabase/temporary-project.ts';

export const JWT_SECRET = TEMPORARY_JWT_SECRET;
export const ISSUER = 'https://project.example/auth/v1';
export const SIGNING_SECRET = 'canary-signing-secret';
/** Audafact's numbers, but for a small enough day to fill in a test. */
export const LIMITS = {
  free: tier(25, 100, 5, 100, 10, 3),
  pro: tier(100, 1024, 50, 1000, 100, 10),
  enterprise: tier(500, 10_240, 500, 10_000, 1000, 50),
};
function tier(
  largestMiB: number,
  dayMiB: number,
  uploadsPerDay: number,
  previewsPerHour: number,
  downloadsPerDay: number,
  liveUrls: number,
) {
  const bytes = (mebibytes: number): number => mebibytes * 1024 * 1024;
  return {
    largestFile: bytes(largestMiB),
    uploadBytesPerDay: bytes(dayMiB),
    uploadsPerDay,
    previewsPerHour,
    downloadsPerDay,
    liveUrls,
  };
}
export const TEST_SECRET = 'canary-test-secret';
const S3 = { accessKeyId: 'r2-key', secretAccessKey: 'canary-r2-secret' };
const SERVICE_CANARY = 'service_role';

/** Of R2's, what a test sets. */
interface R2Metadata {
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly contentLanguage?: string;
}

export interface DeployedWorker {
  /** Where it listens: for headers that `fetch` keeps to itself. */
  readonly address: URL;
  /** A user on each tier. */
  readonly users: { readonly free: string; readonly pro: string; readonly enterprise: string };
  token(userId: string, claims?: Record<string, unknown>, secret?: string): Promise<string>;
  /** Follows a path or a signed URL of the media domain to the Worker of that build. */
  ask(target: string, init?: RequestInit & { as?: string; build?: 'r2' | 'bypass' }): Promise<Response>;
  /** Signs, uploads, and answers with the key. */
  upload(userId: string, bytes: Uint8Array, build?: 'r2' | 'bypass'): Promise<string>;
  /** A signed URL for reading. */
  sign(userId: string, key: string): Promise<string>;
  /** What the Worker sent to its queue. */
  readonly events: readonly Record<string, unknown>[];
  /** Rows of what the Worker observed. */
  observed(sql: string): readonly Record<string, unknown>[];
  /** Sets the ledger of a user. */
  arrange(userId: string, arrangement: Record<string, unknown>): Promise<void>;
  /** The bucket itself, past the Worker. */
  inR2(key: string): Promise<Uint8Array | null>;
  putR2(key: string, bytes: Uint8Array, httpMetadata?: R2Metadata): Promise<void>;
  /** The legacy store itself, past the Worker. */
  inLegacy(key: string): Promise<Uint8Array | null>;
  putLegacy(key: string, bytes: Uint8Array): Promise<void>;
  /** Its public address there. */
  legacyUrl(key: string): string;
  query(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  close(): Promise<void>;
}

/** Both builds of the Worker in workerd, with R2, a Supabase project and Postgres behind them. */
export async function deployWorker(options: {
  legacy: boolean;
  vars?: Record<string, string>;
}): Promise<DeployedWorker> {
  const project = await startTemporaryProject('127.0.0.54');
  const { url: legacyUrl, service } = project;
  const databaseUrl = project.database.url(project.databaseName);
  const users = {
    free: await project.createUser({ email: 'free@example.com', password: 'one', tier: 'free' }),
    pro: await project.createUser({ email: 'pro@example.com', password: 'two', tier: 'pro' }),
    enterprise: await project.createUser({ email: 'big@example.com', password: 'three', tier: 'enterprise' }),
  };
  const events: Record<string, unknown>[] = [];
  const points = openDataPoints();
  const sinks = sinkWorker('sinks', {
    onMessages: async (_queue, bodies) =>
      void events.push(...bodies.map((body) => JSON.parse(body) as (typeof events)[0])),
    onDataPoint: (dataset, point) => points.write(dataset, point),
  });
  const limitsFile = fileURLToPath(new URL('../src/limits/limits-worker.ts', import.meta.url));
  const limitsBundle = await bundleWorker(limitsFile);
  const origin = 'https://media.example';
  const port = await freePort();
  const worker = async (build: 'r2' | 'bypass') => {
    const file = fileURLToPath(new URL(`../src/${build === 'r2' ? 'worker' : 'bypass'}.ts`, import.meta.url));
    const { mainModule, modules } = await bundleWorker(file);
    return {
      name: build,
      modules: [{ type: 'ESModule' as const, path: mainModule, contents: modules[mainModule] ?? '' }],
      compatibilityDate: '2026-07-01',
      compatibilityFlags: ['nodejs_compat'],
      r2Buckets: { MEDIA: { id: 'media', s3Credentials: S3 } },
      durableObjects: { LIMITS: { className: 'UserLimits', scriptName: 'limits', useSQLite: true as const } },
      serviceBindings: {
        EVENTS: { name: 'sinks', entrypoint: 'Queue', props: { name: 'events' } },
        TELEMETRY: { name: 'sinks', entrypoint: 'Dataset', props: { name: 'media' } },
      },
      bindings: {
        DATABASE: { connectionString: databaseUrl },
        VERSION: { id: `version-${build}`, tag: 'test' },
        ENVIRONMENT: 'staging',
        MEDIA_ORIGIN: origin,
        ALLOWED_ORIGINS: 'https://studio.example',
        SIGNED_URL_SECONDS: '60',
        SIGNED_URL_MODE: 'worker',
        TIER_LIMITS: JSON.stringify(LIMITS),
        JWKS_URL: '',
        TEST_SECRET,
        R2_S3_URL: `http://127.0.0.1:${port}/cdn-cgi/local/r2/s3/media`,
        R2_ACCESS_KEY_ID: S3.accessKeyId,
        R2_SECRET_ACCESS_KEY: S3.secretAccessKey,
        JWT_ISSUER: ISSUER,
        JWT_AUDIENCE: 'authenticated',
        JWT_SECRET,
        SIGNING_KEYS: JSON.stringify([
          { id: 'new', secret: SIGNING_SECRET },
          { id: 'old', secret: 'the key from before' },
        ]),
        LEGACY_ORIGIN: options.legacy || build === 'bypass' ? legacyUrl : '',
        LEGACY_BUCKET: 'media',
        LEGACY_SERVICE_KEY: project.serviceKey,
        ...options.vars,
      },
    };
  };
  const mf = new Miniflare(
    convertV4MiniflareOptions({
      host: '127.0.0.1',
      port,
      log: new Log(LogLevel.NONE),
      telemetry: { enabled: false },
      cf: false,
      workers: [
        await worker('r2'),
        await worker('bypass'),
        {
          name: 'limits',
          modules: [
            { type: 'ESModule', path: 'index.js', contents: limitsBundle.modules[limitsBundle.mainModule] ?? '' },
          ],
          compatibilityDate: '2026-07-01',
          compatibilityFlags: ['nodejs_compat'],
          durableObjects: { OWN: { className: 'UserLimits', useSQLite: true } },
        },
        sinks,
      ],
    }),
  );
  const address = await mf.ready;
  const bucket = await mf.getR2Bucket('MEDIA', 'r2');
  const fetchers = { r2: await mf.getWorker('r2'), bypass: await mf.getWorker('bypass') };

  const token: DeployedWorker['token'] = (userId, claims = {}, secret = JWT_SECRET) => {
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT({ sub: userId, iss: ISSUER, aud: 'authenticated', iat: now, exp: now + 600, ...claims })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .sign(new TextEncoder().encode(secret));
  };
  const ask: DeployedWorker['ask'] = async (target, { as, build = 'r2', ...init } = {}) => {
    const headers = new Headers(init.headers);
    if (as !== undefined) headers.set('authorization', `Bearer ${await token(as)}`);
    const url = target.startsWith('http') ? target : `${origin}${target}`;
    const answer = await fetchers[build].fetch(url, { ...init, headers: Object.fromEntries(headers) } as never);
    return answer as unknown as Response;
  };
  const read = async (response: Response): Promise<{ url: string; key: string; headers: Record<string, string> }> => {
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
    return (await response.json()) as { url: string; key: string; headers: Record<string, string> };
  };
  const legacyObject = (key: string): string => `${legacyUrl}/storage/v1/object/media/${key}`;
  return {
    address,
    users,
    events,
    observed: (sql) => points.query(sql).rows,
    async arrange(userId, arrangement) {
      const headers = { 'content-type': 'application/json', 'x-test-secret': TEST_SECRET };
      const answer = await ask('/api/test/limits', {
        method: 'POST',
        as: userId,
        headers,
        body: JSON.stringify(arrangement),
      });
      if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`);
    },
    token,
    ask,
    async upload(userId, bytes, build = 'r2') {
      const signed = await read(
        await ask('/api/sign-upload', {
          method: 'POST',
          as: userId,
          build,
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ filename: 'a song.wav', contentType: 'audio/wav', sizeBytes: bytes.byteLength }),
        }),
      );
      const stored = await ask(signed.url, {
        method: 'PUT',
        build,
        headers: { ...signed.headers, 'content-length': String(bytes.byteLength) },
        body: bytes,
      });
      if (stored.status !== 201) throw new Error(`${stored.status} ${await stored.text()}`);
      return signed.key;
    },
    async sign(userId, key) {
      return (await read(await ask(`/api/sign-file?key=${encodeURIComponent(key)}`, { as: userId }))).url;
    },
    async inR2(key) {
      const object = await bucket.get(key);
      return object === null ? null : new Uint8Array(await object.arrayBuffer());
    },
    async putR2(key, bytes, httpMetadata = {}) {
      await bucket.put(key, bytes, { httpMetadata });
    },
    async inLegacy(key) {
      const response = await fetch(legacyObject(key), { headers: service });
      return response.ok ? new Uint8Array(await response.arrayBuffer()) : null;
    },
    async putLegacy(key, bytes) {
      const headers = { ...service, 'content-type': 'audio/wav', 'x-upsert': 'true' };
      const response = await fetch(legacyObject(key), { method: 'POST', headers, body: bytes });
      if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    },
    legacyUrl: (key) => `${legacyUrl}/storage/v1/object/public/media/${key}`,
    async query(text, values = []) {
      const client = new Client({ connectionString: databaseUrl });
      await client.connect();
      try {
        return (await client.query<Record<string, unknown>>(text, [...values])).rows;
      } finally {
        await client.end();
      }
    },
    async close() {
      await mf.dispose();
      points.close();
      await project.close();
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

/** Words that no answer may hold: what opens something, and what tells of the inside. */
export const LEAKS = [
  JWT_SECRET,
  SIGNING_SECRET,
  TEST_SECRET,
  S3.secretAccessKey,
  SERVICE_CANARY,
  'postgresql:',
  'node_modules',
  '    at ',
];
