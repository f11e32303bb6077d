import { once } from 'node:events';
import { cp, readFile, stat } from 'node:fs/promises';
import http from 'node:http';
import { extname, join, normalize } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.woff2': 'font/woff2',
};

export interface Pages {
  /** Takes a copy of the folder and serves it under a host name. */
  deploy(host: string, folder: string): Promise<void>;
  /** Serves the deployment from before again. Throws when there is none. */
  restore(host: string): void;
  close(): Promise<void>;
}

/** Static pages by host name: what Cloudflare Pages does for the studio. Unknown paths get the app itself. */
export async function startPages(address: string, port: number, root: string): Promise<Pages> {
  /** Deployments of each host, the one that serves last. */
  const sites = new Map<string, string[]>();
  let deployments = 0;
  const server = http.createServer((request, response) => {
    const site = sites.get((request.headers.host ?? '').replace(/:\d+$/, '').toLowerCase())?.at(-1);
    const send = (status: number, type: string, body: string | Buffer): void => {
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-cache' }).end(body);
    };
    if (site === undefined) return send(404, 'text/plain', 'no site is deployed under this name');
    const path = normalize(decodeURIComponent((request.url ?? '/').split('?')[0] ?? '/'));
    const file = join(site, path);
    const serve = async (): Promise<void> => {
      const isFile = file.startsWith(site) && (await stat(file).catch(() => null))?.isFile() === true;
      const found = isFile ? file : join(site, 'index.html');
      send(200, TYPES[extname(found)] ?? 'application/octet-stream', await readFile(found));
    };
    serve().catch(() => send(500, 'text/plain', 'the site cannot be read'));
    return undefined;
  });
  server.listen(port, address);
  await once(server, 'listening');
  return {
    async deploy(host, folder) {
      const copy = join(root, `${host}-${++deployments}`);
      await cp(folder, copy, { recursive: true });
      sites.set(host, [...(sites.get(host) ?? []), copy]);
    },
    restore(host) {
      const [...deployed] = sites.get(host) ?? [];
      deployed.pop();
      if (deployed.length === 0) throw new Error(`${host} has no earlier deployment`);
      sites.set(host, deployed);
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
