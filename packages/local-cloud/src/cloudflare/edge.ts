import { randomBytes } from 'node:crypto';
import http from 'node:http';
import { once } from 'node:events';
import type { Faults } from '../faults.ts';
import type { EdgeRequest, RuntimeRoute } from './runtime-contract.ts';

/** A version that can be asked: where its workerd listens. */
export interface EdgeVersion {
  readonly versionId: string;
  readonly port: number;
}

export interface EdgeTables {
  routes: readonly RuntimeRoute[];
  /** Script → what serves, percentages total 100. */
  readonly deployments: Map<string, readonly { versionId: string; percentage: number }[]>;
  readonly versions: Map<string, EdgeVersion>;
  readonly subdomains: Map<string, { enabled: boolean; previewsEnabled: boolean }>;
}

/** workerd answers an uncaught exception with a bare 500; what a Worker answers itself has a type. */
function isException(answer: http.IncomingMessage): boolean {
  return answer.statusCode === 500 && answer.headers['content-type'] === undefined;
}

/** FNV-1a with a final mix: the same key always lands at the same point of 0–100. */
function pointOf(key: string): number {
  let hash = 2166136261;
  for (const char of key) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 16777619);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash ^= hash >>> 13;
  return ((hash >>> 0) / 2 ** 32) * 100;
}

/** The script whose route matches host and path; the longest pattern wins. */
function routedScript(routes: readonly RuntimeRoute[], host: string, path: string): string | null {
  const target = `${host}${path}`;
  const matching = routes.filter(({ pattern }) =>
    pattern.endsWith('*') ? target.startsWith(pattern.slice(0, -1)) : target === pattern,
  );
  return matching.toSorted((a, b) => b.pattern.length - a.pattern.length)[0]?.script ?? null;
}

/** `<script>.<subdomain>.workers.dev` or `<first 8 of a version>-<script>.<subdomain>.workers.dev`, where open. */
function onWorkersDev(
  tables: EdgeTables,
  subdomain: string,
  host: string,
): { script: string; version: string | null } | null {
  const suffix = `.${subdomain}.workers.dev`;
  if (!host.endsWith(suffix)) return null;
  const name = host.slice(0, -suffix.length);
  if (tables.subdomains.get(name)?.enabled === true) return { script: name, version: null };
  const [, prefix = '', script = ''] = /^([0-9a-f]{8})-(.+)$/.exec(name) ?? [];
  if (tables.subdomains.get(script)?.previewsEnabled !== true) return null;
  const version = [...tables.versions.keys()].find((id) => id.startsWith(prefix));
  return version === undefined ? null : { script, version };
}

function pickVersion(tables: EdgeTables, script: string, headers: http.IncomingHttpHeaders): string | null {
  const split = tables.deployments.get(script);
  if (split === undefined || split.length === 0) return null;
  const overrides = headers['cloudflare-workers-version-overrides'];
  if (typeof overrides === 'string') {
    // A structured-field dictionary: `script="version id", other="…"`. Ignored unless that version is deployed.
    for (const [, name, version] of overrides.matchAll(/([\w-]+)="([^"]+)"/g)) {
      if (name === script && split.some((one) => one.versionId === version)) return version ?? null;
    }
  }
  const key = headers['cloudflare-workers-version-key'];
  let point = typeof key === 'string' ? pointOf(key) : Math.random() * 100;
  for (const { versionId, percentage } of split) {
    if ((point -= percentage) < 0) return versionId;
  }
  return split.find((one) => one.percentage > 0)?.versionId ?? null;
}

/** Whether a fault is planted that makes this version fail the next request. */
function fails(faults: Faults, versionId: string, method: string): boolean {
  const reads = method === 'GET' || method === 'HEAD';
  return faults
    .holding('failing-version')
    .some((one) => one.versionId === versionId && (reads || one.only !== 'reads') && Math.random() < one.share);
}

/**
 * Cloudflare's edge on this machine: picks the Worker by route, its version by the deployment, and passes the
 * request on, streaming both ways. A new deployment is one assignment in `tables`: no request is dropped.
 * Port 0 takes any free one; the answer names it.
 */
export async function startEdge(
  options: { address: string; port: number; workersSubdomain: string; faults: Faults },
  tables: EdgeTables,
  log: (request: EdgeRequest) => void,
): Promise<{ port: number; close(): Promise<void> }> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 256 });
  const server = http.createServer((request, response) => {
    const at = Date.now();
    const start = performance.now();
    const host = (request.headers.host ?? '').replace(/:\d+$/, '').toLowerCase();
    const path = request.url ?? '/';
    const ray = `${randomBytes(8).toString('hex')}-LOC`;
    const refuse = (status: number, text: string): void => {
      response.writeHead(status, { 'content-type': 'text/plain', server: 'cloudflare', 'cf-ray': ray });
      response.end(text);
    };
    const dev = onWorkersDev(tables, options.workersSubdomain, host);
    const script = dev?.script ?? routedScript(tables.routes, host, path);
    if (script === null) return refuse(404, 'error code: 1042');
    const versionId = dev?.version ?? pickVersion(tables, script, request.headers);
    const version = versionId === null ? undefined : tables.versions.get(versionId);
    if (version === undefined) return refuse(404, 'error code: 1101');

    let status = 0;
    let outcome: EdgeRequest['outcome'] = 'success';
    response.once('close', () => {
      if (!response.writableFinished && outcome === 'success') outcome = 'clientDisconnected';
      log({
        at,
        host,
        script,
        versionId: version.versionId,
        method: request.method ?? 'GET',
        status: status === 0 ? 499 : status,
        ms: performance.now() - start,
        outcome,
      });
    });
    if (fails(options.faults, version.versionId, request.method ?? 'GET')) {
      status = 500;
      request.resume();
      response.writeHead(status, { 'content-type': 'text/plain', 'cf-ray': ray, 'x-planted-by': 'failing-version' });
      return response.end('planted');
    }
    const hasBody = 'content-length' in request.headers || 'transfer-encoding' in request.headers;
    const target = {
      host: '127.0.0.1',
      port: version.port,
      method: request.method,
      path,
      headers: {
        ...request.headers,
        'cf-ray': ray,
        'cf-connecting-ip': request.socket.remoteAddress ?? '',
        'x-forwarded-proto': 'http',
      },
    };
    const forward = (isRepeated: boolean): void => {
      // A Worker may answer without reading the body, and then its connection is no good for another request.
      const kept = hasBody || isRepeated ? false : agent;
      const upstream = http.request({ ...target, agent: kept }, (answer) => {
        status = answer.statusCode ?? 502;
        if (isException(answer)) {
          outcome = 'scriptThrewException';
          answer.resume();
          status = 500;
          return refuse(500, 'error code: 1101');
        }
        const { connection: _connection, 'keep-alive': _keepAlive, ...headers } = answer.headers;
        response.writeHead(status, { ...headers, server: 'cloudflare', 'cf-ray': ray });
        answer.pipe(response);
        answer.once('error', () => response.destroy());
      });
      upstream.once('error', () => {
        // A kept connection may end in the moment that it is used again; nothing was answered, so a fresh one may try.
        const wasKept = upstream.reusedSocket && !hasBody && !isRepeated;
        if (wasKept && !response.headersSent && !response.destroyed) return forward(true);
        outcome = 'internalError';
        status = 502;
        if (response.headersSent) response.destroy();
        else refuse(502, 'error code: 502');
      });
      response.once('close', () => {
        if (!response.writableFinished) upstream.destroy();
      });
      if (hasBody) request.pipe(upstream);
      else upstream.end();
    };
    return forward(false);
  });
  server.keepAliveTimeout = 65_000;
  server.listen(options.port, options.address);
  await once(server, 'listening');
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('the edge listens on no TCP port');
  return {
    port: bound.port,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      agent.destroy();
    },
  };
}
