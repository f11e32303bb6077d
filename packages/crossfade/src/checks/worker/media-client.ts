import { createHash } from 'node:crypto';
import * as v from 'valibot';
import type { EnvironmentName } from '../../rollout/config.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { PublicResponse } from '../../providers/providers.ts';

const signedUpload = v.object({
  key: v.string(),
  url: v.pipe(v.string(), v.url()),
  method: v.literal('PUT'),
  headers: v.record(v.string(), v.string()),
  expiresAt: v.string(),
});
const signedFile = v.object({ key: v.string(), url: v.pipe(v.string(), v.url()), expiresAt: v.string() });
const multipartUpload = v.object({
  key: v.string(),
  multipart: v.object({ uploadId: v.string(), partSizeBytes: v.number(), parts: v.number() }),
});
const signedParts = v.object({
  parts: v.array(v.object({ part: v.number(), url: v.pipe(v.string(), v.url()), sizeBytes: v.number() })),
});
const sentPart = v.object({ part: v.number(), etag: v.string() });
const library = v.object({
  tracks: v.array(
    v.object({
      id: v.string(),
      title: v.string(),
      key: v.string(),
      isProOnly: v.boolean(),
      contentType: v.nullable(v.string()),
      sizeBytes: v.nullable(v.number()),
    }),
  ),
});
const uploads = v.object({ uploads: v.array(v.object({ key: v.string() })) });
const apiError = v.object({ error: v.object({ code: v.string(), message: v.string() }) });
const health = v.object({
  status: v.string(),
  service: v.string(),
  version: v.object({ id: v.string() }),
  environment: v.string(),
  build: v.picklist(['r2', 'bypass']),
});

export type Health = v.InferOutput<typeof health>;

export function parseHealth(response: PublicResponse): Health {
  return parseBody(health, response);
}

/** The code of a refused request, or what came instead of one. */
export function errorCode(response: PublicResponse): string {
  const parsed = v.safeParse(apiError, readJson(response));
  return parsed.success ? parsed.output.error.code : `no error code (HTTP ${response.status})`;
}

function readJson(response: PublicResponse): unknown {
  try {
    return JSON.parse(response.body.toString('utf8'));
  } catch {
    return undefined;
  }
}

function parseBody<Schema extends v.GenericSchema>(schema: Schema, response: PublicResponse): v.InferOutput<Schema> {
  const parsed = v.safeParse(schema, readJson(response));
  if (!parsed.success) {
    const issue = parsed.issues[0];
    throw new Error(`HTTP ${response.status} with an unexpected body: ${issue?.message ?? 'no JSON'}`);
  }
  return parsed.output;
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** How the requests reach the Worker: by the public name, or at a fixed address and one version before DNS moved. */
export interface Reach {
  readonly via?: string;
  readonly version?: string;
}

/** Speaks to the media Worker of one environment as one signed-in user, through the public name. */
export interface MediaClient {
  readonly userId: string;
  readonly token: string;
  request(
    path: string,
    options?: { method?: string; headers?: Record<string, string>; body?: Uint8Array | string; token?: string | null },
  ): Promise<PublicResponse>;
  /** A signed URL as it was handed out; no token is sent along. */
  follow(
    url: string,
    options?: { method?: string; headers?: Record<string, string>; body?: Uint8Array },
  ): Promise<PublicResponse>;
  signUpload(file: {
    filename: string;
    contentType: string;
    sizeBytes: number;
    title?: string;
  }): Promise<v.InferOutput<typeof signedUpload>>;
  signFile(key: string): Promise<v.InferOutput<typeof signedFile>>;
  upload(filename: string, contentType: string, bytes: Uint8Array): Promise<string>;
  /** The same in parts, as large files go. */
  uploadInParts(filename: string, contentType: string, bytes: Uint8Array): Promise<string>;
  post(path: string, body: unknown): Promise<PublicResponse>;
  remove(key: string): Promise<PublicResponse>;
  /** Sets the user's own ledger; staging only. */
  arrange(arrangement: Record<string, unknown>): Promise<void>;
  /** A link that was signed for a second, after that second; `null` where no such link can be had. */
  expiredLink(key: string): Promise<string | null>;
  library(): Promise<v.InferOutput<typeof library>['tracks']>;
  uploads(): Promise<v.InferOutput<typeof uploads>['uploads']>;
}

/** Throws when the user cannot sign in; the methods throw when an answer is not what the API promises. */
export async function openMediaClient(
  context: RolloutContext,
  environment: EnvironmentName,
  options: { tier?: 'free' | 'pro' | 'enterprise'; reach?: Reach; as?: 'testUsers' | 'limitUsers' } = {},
): Promise<MediaClient> {
  const { config, providers } = context;
  const { worker, testSecret, ...people } = config.environments[environment];
  const users = people[options.as ?? 'testUsers'];
  const tier = options.tier ?? 'enterprise';
  const user = users.find((one) => one.tier === tier) ?? users[0];
  if (user === undefined) throw new Error(`environments.${environment}.${options.as ?? 'testUsers'} is empty`);
  const { accessToken, userId } = await providers.supabase[environment].signIn(user.email, user.password);
  const reachHeaders: Record<string, string> =
    options.reach?.version === undefined
      ? {}
      : { 'cloudflare-workers-version-overrides': `${worker.name}="${options.reach.version}"` };
  const via = options.reach?.via === undefined ? {} : { via: options.reach.via };

  const client: MediaClient = {
    userId,
    token: accessToken,
    request(path, { method = 'GET', headers = {}, body, token = accessToken } = {}) {
      return providers.http.request(`${worker.mediaOrigin}${path}`, {
        method,
        headers: { ...reachHeaders, ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...headers },
        ...(body === undefined ? {} : { body }),
        ...via,
      });
    },
    follow(url, { method = 'GET', headers = {}, body } = {}) {
      return providers.http.request(url, {
        method,
        headers: { ...reachHeaders, ...headers },
        ...(body === undefined ? {} : { body }),
        ...via,
      });
    },
    async signUpload(file) {
      return parseBody(signedUpload, await client.post('/api/sign-upload', file));
    },
    async signFile(key) {
      return parseBody(signedFile, await client.request(`/api/sign-file?key=${encodeURIComponent(key)}`));
    },
    async upload(filename, contentType, bytes) {
      const signed = await client.signUpload({ filename, contentType, sizeBytes: bytes.byteLength });
      const put = await client.follow(signed.url, { method: 'PUT', headers: signed.headers, body: bytes });
      if (put.status !== 201) throw new Error(`the signed PUT answered ${put.status}, expected 201`);
      return signed.key;
    },
    async uploadInParts(filename, contentType, bytes) {
      const asked = await client.post('/api/sign-upload', {
        filename,
        contentType,
        sizeBytes: bytes.byteLength,
        resumable: true,
      });
      const { key, multipart } = parseBody(multipartUpload, asked);
      const { uploadId, partSizeBytes } = multipart;
      const numbers = Array.from({ length: multipart.parts }, (_, index) => index + 1);
      const { parts } = parseBody(signedParts, await client.post('/api/sign-parts', { key, uploadId, parts: numbers }));
      const sent = await Promise.all(
        parts.map(async ({ part, url, sizeBytes }) => {
          const from = (part - 1) * partSizeBytes;
          const put = await client.follow(url, { method: 'PUT', body: bytes.subarray(from, from + sizeBytes) });
          return parseBody(sentPart, put);
        }),
      );
      const completed = await client.post('/api/complete-upload', { key, uploadId, parts: sent });
      if (completed.status !== 201)
        throw new Error(`the upload's completion answered ${completed.status}, expected 201`);
      return key;
    },
    post(path, body) {
      const headers = { 'content-type': 'application/json' };
      return client.request(path, { method: 'POST', headers, body: JSON.stringify(body) });
    },
    remove: (key) => client.post('/api/delete-file', { key }),
    async arrange(arrangement) {
      const headers = { 'content-type': 'application/json', 'x-test-secret': testSecret ?? '' };
      const body = JSON.stringify(arrangement);
      const answer = await client.request('/api/test/limits', { method: 'POST', headers, body });
      if (answer.status !== 200) throw new Error(`the user's ledger could not be set: HTTP ${answer.status}`);
    },
    async expiredLink(key) {
      if (testSecret === undefined) return null;
      const headers = { 'x-test-secret': testSecret, 'x-test-link-seconds': '1' };
      const answer = await client.request(`/api/sign-file?key=${encodeURIComponent(key)}`, { headers });
      const { url, expiresAt } = parseBody(signedFile, answer);
      // The end is told in whole seconds; a link is alive until its second is over.
      const until = Date.parse(expiresAt) + 1100;
      if (until - Date.now() > 10_000) throw new Error('a link of one second was asked for, and lives longer');
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, until - Date.now())));
      return url;
    },
    async library() {
      return parseBody(library, await client.request('/api/library')).tracks;
    },
    async uploads() {
      return parseBody(uploads, await client.request('/api/uploads')).uploads;
    },
  };
  // Staging is measured again and again by the same users: what earlier measurements used up must not be in the way.
  // Uploads that others have under way stay set aside.
  if (environment === 'staging' && testSecret !== undefined)
    await client.arrange({ usage: { uploads: 0, uploadBytes: 0, previews: 0, downloads: 0 }, forgetLinks: true });
  return client;
}
