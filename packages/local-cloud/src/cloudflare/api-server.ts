import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { openAccount } from './account-state.ts';
import { ApiFailure, refused } from './api-answer.ts';
import type { ApiAnswer } from './api-answer.ts';
import type { AccountIdentity, ApiContext } from './api-context.ts';
import { apiRoot, createApiContract, isBearer } from './api-contract.ts';
import type { ApiContract } from './api-contract.ts';
import { dnsHandlers, recordsForAuthority } from './api-dns.ts';
import type { AuthorityRecord } from './api-dns.ts';
import { graphqlHandlers } from './api-graphql.ts';
import { hyperdriveHandlers } from './api-hyperdrive.ts';
import { expireObjects, r2Handlers } from './api-r2.ts';
import { deploymentHandlers } from './api-worker-deployments.ts';
import { routeHandlers } from './api-worker-routes.ts';
import { versionHandlers } from './api-worker-versions.ts';
import { scriptHandlers } from './api-workers.ts';
import { zoneHandlers } from './api-zones.ts';
import { r2Objects, type ObjectCall } from './api-r2-objects.ts';
import type { S3Keys } from './s3-signing.ts';
import { readRequestBody } from './request-body.ts';
import { createVersionStarts, restoreAccount } from './version-starts.ts';
import { slurperHandlers } from './api-slurper.ts';
import { sippyHandlers } from './api-sippy.ts';
import { createSlurperJobs } from './slurper-jobs.ts';
import { analyticsSqlHandlers } from './api-analytics-sql.ts';
import { queueHandlers } from './api-queues.ts';
import { createRateLimit, type RateLimit } from './api-rate-limit.ts';
import type { DataPoints } from './data-points.ts';
import { createFaults, type Faults } from '../faults.ts';
import type { Queues } from './queues.ts';
import type { WorkersRuntime } from './runtime-contract.ts';

export interface CloudflareApiOptions extends AccountIdentity {
  /** Keeps the account: with a kept one the runtime is put back before the API listens. */
  readonly folder: string;
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly runtime: WorkersRuntime;
  readonly queues: Queues;
  readonly dataPoints: DataPoints;
  /** Told of each mutating call with its body as it came: for tests that count effects. */
  readonly onMutation?: (call: CallRecord, body: Buffer) => void;
  /** What is planted; nothing when absent. */
  readonly faults?: Faults;
  /** What R2's S3 API knows this account by; without it objects are not to be had here. */
  readonly r2Keys?: S3Keys;
  /** The vendor's own when absent. */
  readonly rateLimit?: RateLimit;
}

/** One mutating call, as `GET /calls` of the world shows it. */
export interface CallRecord {
  /** ISO 8601. */
  readonly at: string;
  readonly method: string;
  /** Without the query string. */
  readonly path: string;
  readonly status: number;
}

export interface CloudflareApi {
  /** Ends with /client/v4. */
  readonly url: string;
  readonly calls: readonly CallRecord[];
  /** The zone's records as its name servers see them, TTL in seconds (the automatic one as 300). */
  records(): readonly AuthorityRecord[];
  /** Lets the bucket's lifecycle rules act as if it were that time (epoch ms); answers with the keys that expired. */
  expireObjects(bucket: string, now: number): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** Seen at the vendor: JSONbored/metagraphed#8261. */
const THROTTLED = { code: 971, message: 'Please wait and consider throttling your request speed' };

/** Serves the part of Cloudflare's API v4 that the contract holds. Throws when the kept account cannot be put back. */
export async function startCloudflareApi(options: CloudflareApiOptions): Promise<CloudflareApi> {
  const store = await openAccount(options.folder);
  const { runtime, faults = createFaults(), rateLimit = createRateLimit() } = options;
  const starts = createVersionStarts(runtime, store);
  const context: ApiContext = {
    identity: options,
    store,
    runtime,
    starts,
    queues: options.queues,
    dataPoints: options.dataPoints,
    faults,
  };
  const jobs = createSlurperJobs();
  const contract = await createApiContract(options, {
    ...zoneHandlers(context),
    ...scriptHandlers(context),
    ...versionHandlers(context),
    ...deploymentHandlers(context),
    ...routeHandlers(context),
    ...r2Handlers(context),
    ...dnsHandlers(context),
    ...graphqlHandlers(context),
    ...queueHandlers(context),
    ...hyperdriveHandlers(context),
    ...slurperHandlers(context, jobs),
    ...sippyHandlers(context),
    ...analyticsSqlHandlers(context),
  });
  await restoreAccount(store.current(), runtime, starts);

  const objects = options.r2Keys === undefined ? async () => null : r2Objects(context, options.r2Keys);
  const served = { contract, objects, token: options.token, rateLimit };
  const calls: CallRecord[] = [];
  const server = createServer((request, response) => {
    const note = (call: CallRecord, body: Buffer): void => {
      calls.push(call);
      options.onMutation?.(call, body);
    };
    const [outage] = faults.holding('api-outage');
    if (outage === undefined) void serve(served, request, response, note);
    else if (outage.answer === '503')
      response.writeHead(503, { 'content-type': 'text/plain' }).end('upstream unavailable');
    // Otherwise nobody answers: the client's patience decides, or the end of this server.
  });
  server.listen(options.port, options.host);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the API listens on no TCP port');
  return {
    url: `http://${options.host}:${address.port}${apiRoot}`,
    calls,
    records: () => recordsForAuthority(store.current()),
    expireObjects: (bucket, now) => expireObjects(context, bucket, now),
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      await jobs.close();
    },
  };
}

interface Served {
  readonly contract: ApiContract;
  readonly objects: (call: ObjectCall) => Promise<ApiAnswer | null>;
  readonly token: string;
  readonly rateLimit: RateLimit;
}

async function serve(
  { contract, objects, token, rateLimit }: Served,
  request: IncomingMessage,
  response: ServerResponse,
  mutated: (call: CallRecord, body: Buffer) => void,
): Promise<void> {
  const method = request.method ?? 'GET';
  const url = request.url ?? '/';
  try {
    const raw = await readAll(request);
    const path = url.split('?')[0] ?? url;
    const isKnown = isBearer(request.headers.authorization ?? '', token);
    const rate = isKnown && path !== `${apiRoot}/graphql` ? rateLimit.count() : null;
    const ask = async (headers: Record<string, string>): Promise<ApiAnswer> => {
      if (rate !== null && rate.retryAfterSeconds !== null) return refused(429, [THROTTLED]);
      const object = isKnown ? await objects({ method, path, headers, body: raw }) : null;
      return object ?? (await answerTo(contract, method, url, headers, raw));
    };
    const given = await inEnvelope(ask, request.headers);
    if (method !== 'GET' && method !== 'HEAD' && path !== `${apiRoot}/graphql`) {
      mutated({ at: new Date().toISOString(), method, path, status: given.status }, raw);
    }
    send(response, given, rate?.headers);
  } catch (error) {
    // Only a broken connection ends here; a handler's failure has become an answer before.
    console.error(`cloudflare api: ${method} connection lost: ${error instanceof Error ? error.message : error}`);
    response.destroy();
  }
}

/** What is refused on the way is an answer as well. */
async function inEnvelope(
  ask: (headers: Record<string, string>) => Promise<ApiAnswer>,
  incoming: IncomingMessage['headers'],
): Promise<ApiAnswer> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(incoming)) headers[name] = String(value);
  try {
    return await ask(headers);
  } catch (error) {
    if (error instanceof ApiFailure) return refused(error.status, [error.entry]);
    throw error;
  }
}

async function answerTo(
  contract: ApiContract,
  method: string,
  url: string,
  headers: Record<string, string>,
  raw: Buffer<ArrayBuffer>,
): Promise<ApiAnswer> {
  const { body, parts, contentType } = await readRequestBody(raw, headers['content-type']);
  const told = contentType === null ? headers : { ...headers, 'content-type': contentType };
  return contract.answer({ method, url, headers: told, body, parts });
}

async function readAll(request: IncomingMessage): Promise<Buffer<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function send(response: ServerResponse, given: ApiAnswer, headers: Readonly<Record<string, string>> = {}): void {
  const asItIs = typeof given.body === 'string' || Buffer.isBuffer(given.body);
  const type = asItIs ? 'text/plain; charset=utf-8' : 'application/json';
  response.writeHead(given.status, { 'content-type': type, ...given.headers, ...headers });
  response.end(asItIs ? given.body : JSON.stringify(given.body));
}
