import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import { Pool } from 'pg';
import { hasDotSegment } from '../dot-segments.ts';
import { sendJson } from './answer.ts';
import { createAuthApi } from './auth-api.ts';
import { createObjectFiles } from './object-files.ts';
import { createRequestLog } from './request-log.ts';
import { createResumableUploads } from './resumable-uploads.ts';
import { createRestApi } from './rest-api.ts';
import { createS3Api } from './s3-api.ts';
import { refuseS3 } from './s3-answer.ts';
import { HOSTED } from './s3-rules.ts';
import type { StorageBackend } from './object-blobs.ts';
import { refuse } from './storage-answer.ts';
import { StorageError } from './storage-error.ts';
import { fileSizeLimit, HIGHEST_FILE_SIZE_LIMIT } from './storage-rules.ts';
import { createSchema } from './schema.ts';
import { createStorageApi } from './storage-api.ts';
import { createTokens } from './tokens.ts';

export interface SupabaseProjectOptions {
  readonly address: string;
  readonly port: number;
  readonly folder: string;
  /** As the superuser, whom a real project does not give out. */
  readonly databaseUrl: string;
  readonly ref: string;
  readonly jwtSecret: string;
  readonly managementToken: string;
  readonly s3: { readonly region: string; readonly accessKeyId: string; readonly secretAccessKey: string };
  /** The largest object that the project takes, bytes; what a paid project may be raised to when absent. */
  readonly fileSizeLimit?: number;
  /** Origin as clients see it. */
  readonly publicUrl: string;
  /** What Storage keeps its bytes in; by default S3, as hosted. */
  readonly backend?: StorageBackend;
  /** Asked at each request to Storage: whether its database has no connection left. */
  readonly isOverloaded?: () => boolean;
}

export interface SupabaseProject {
  /** As the role `postgres`, which is what a team gets. */
  readonly databaseUrl: string;
  readonly anonKey: string;
  readonly serviceKey: string;
  createUser(user: { email: string; password: string; tier: string; id?: string }): Promise<string>;
  close(): Promise<void>;
}

const CORS = {
  'access-control-allow-origin': '*',
  'access-control-allow-headers':
    'authorization, apikey, content-type, x-client-info, x-upsert, x-metadata, prefer, range',
  'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS',
};

/** Storage requests by who asked, as the vendor's log is asked for them. */
const STORAGE_BY_AGENT =
  /^select headers\.user_agent as agent, count\(\*\) as requests from edge_logs\b.*'\/storage\/v1\/%'.*\bgroup by agent\b/s;

/** One Supabase project: Storage (REST and S3), Auth, a sliver of PostgREST, and what the vendor counts. */
export async function startSupabaseProject(options: SupabaseProjectOptions): Promise<SupabaseProject> {
  const pool = new Pool({ connectionString: options.databaseUrl, max: 12 });
  pool.on('error', () => {});
  const databaseUrl = new URL(options.databaseUrl);
  await createSchema(pool, decodeURIComponent(databaseUrl.password));
  databaseUrl.username = 'postgres';
  const tokens = await createTokens(options.jwtSecret, `${options.publicUrl}/auth/v1`, options.ref);
  const { backend = 's3', fileSizeLimit: projectLimit = HIGHEST_FILE_SIZE_LIMIT, isOverloaded = () => false } = options;
  const files = createObjectFiles(options.folder, pool, backend);
  const storage = createStorageApi(files, tokens, projectLimit);
  const s3 = createS3Api(files, options.s3, undefined, {
    ...HOSTED,
    backend,
    projectLimit,
  });
  const auth = createAuthApi(pool, tokens);
  const rest = createRestApi(pool);
  const log = createRequestLog();
  const resumable = createResumableUploads(tokens, async (id) => {
    const bucket = await files.bucket(id);
    return bucket === null ? null : fileSizeLimit(bucket, projectLimit);
  });

  async function manage(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    if (request.headers.authorization !== `Bearer ${options.managementToken}`)
      return sendJson(response, 401, { message: 'Unauthorized' });
    if (url.pathname === `/v1/projects/${options.ref}/config/storage` && request.method === 'GET')
      return sendJson(response, 200, { fileSizeLimit: projectLimit, features: { s3Protocol: { enabled: true } } });
    const endpoints = `/v1/projects/${options.ref}/analytics/endpoints/`;
    const time = (name: string, otherwise: number): number => {
      const told = Date.parse(url.searchParams.get(name) ?? '');
      return Number.isNaN(told) ? otherwise : told;
    };
    const since = time('iso_timestamp_start', Date.now() - 15 * 60_000);
    const until = time('iso_timestamp_end', Date.now());
    if (url.pathname === `${endpoints}logs.all`) {
      // Of the log's SQL only the one question that is asked here is understood.
      if (!STORAGE_BY_AGENT.test(url.searchParams.get('sql') ?? ''))
        return sendJson(response, 200, {
          result: null,
          error: { message: 'the local cloud does not know this query' },
        });
      return sendJson(response, 200, { result: log.byAgent(since, until), error: null });
    }
    if (url.pathname !== `${endpoints}usage.api-counts`)
      return sendJson(response, 404, { message: `Cannot GET ${url.pathname}` });
    const rows = log.byMinute(since, until);
    const zero = { total_auth_requests: 0, total_realtime_requests: 0, total_rest_requests: 0 };
    return sendJson(response, 200, {
      result: rows.map(({ timestamp, total }) => ({ timestamp, ...zero, total_storage_requests: total })),
    });
  }

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', options.publicUrl);
    const { pathname } = url;
    if (request.method === 'OPTIONS') return void response.writeHead(200, CORS).end();
    response.setHeader('access-control-allow-origin', '*');
    if (pathname.startsWith('/storage/v1/')) {
      log.note(request.headers['user-agent']);
      const isS3 = /^\/storage\/v1\/s3(\/|$)/.test(pathname);
      if (hasDotSegment(request.url)) {
        const invalid = new StorageError('InvalidKey');
        return isS3 ? refuseS3(request, response, invalid) : refuse(response, invalid);
      }
      if (isOverloaded()) {
        const overload = new StorageError('DatabaseTimeout');
        return isS3 ? refuseS3(request, response, overload) : refuse(response, overload);
      }
      if (pathname.startsWith('/storage/v1/upload/resumable')) return resumable(request, response, url);
      return (isS3 ? s3 : storage)(request, response, url);
    }
    if (pathname.startsWith('/auth/v1/')) return auth.handle(request, response, url);
    if (pathname.startsWith('/rest/v1/')) {
      const caller = await tokens.caller(request);
      return caller === null
        ? sendJson(response, 401, { code: 'PGRST301', message: 'JWSError JWSInvalidSignature' })
        : rest(request, response, url, caller);
    }
    if (pathname.startsWith('/v1/projects/')) return manage(request, response, url);
    return sendJson(response, 404, { message: 'no Route matched with those values' });
  }

  const server = http.createServer((request, response) => {
    route(request, response).catch((error: unknown) => {
      // What the client broke off needs no answer; everything else is the vendor's 500.
      if (request.destroyed && !request.complete) return response.destroy();
      console.error(
        `supabase ${options.ref}: ${request.method} ${(request.url ?? '').split('?')[0]}:`,
        error instanceof Error ? error.message : error,
      );
      if (response.headersSent) response.destroy();
      else
        sendJson(response, 500, {
          statusCode: '500',
          error: 'Internal',
          message: 'Internal Server Error',
          code: 'InternalError',
        });
    });
  });
  server.keepAliveTimeout = 65_000;
  server.listen(options.port, options.address);
  await once(server, 'listening');
  return {
    databaseUrl: databaseUrl.href,
    anonKey: tokens.anonKey,
    serviceKey: tokens.serviceKey,
    createUser: (user) => auth.createUser(user),
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      await pool.end();
    },
  };
}
