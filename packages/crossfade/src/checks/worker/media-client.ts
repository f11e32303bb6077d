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
  remove(key: string): Promise<PublicResponse>;
  library(): Promise<v.InferOutput<typeof library>['tracks']>;
  uploads(): Promise<v.InferOutput<typeof uploads>['uploads']>;
}

/** Throws when the user cannot sign in; the methods throw when an answer is not what the API promises. */
export async function openMediaClient(
  context: RolloutContext,
  environment: EnvironmentName,
  options: { tier?: 'free' | 'pro' | 'enterprise'; reach?: Reach } = {},
): Promise<MediaClient> {
  const { config, providers } = context;
  const { worker, testUsers } = config.environments[environment];
  const tier = options.tier ?? 'enterprise';
  const user = testUsers.find((one) => one.tier === tier) ?? testUsers[0];
  if (user === undefined) throw new Error(`environments.${environment}.testUsers is empty`);
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
      const headers = { 'content-type': 'application/json' };
      const response = await client.request('/api/sign-upload', {
        method: 'POST',
        headers,
        body: JSON.stringify(file),
      });
      return parseBody(signedUpload, response);
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
    remove(key) {
      const headers = { 'content-type': 'application/json' };
      return client.request('/api/delete-file', { method: 'POST', headers, body: JSON.stringify({ key }) });
    },
    async library() {
      return parseBody(library, await client.request('/api/library')).tracks;
    },
    async uploads() {
      return parseBody(uploads, await client.request('/api/uploads')).uploads;
    },
  };
  return client;
}
