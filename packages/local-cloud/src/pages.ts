import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
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
  /** Serves a folder under a host name, with `/config.json` as given. */
  deploy(host: string, folder: string, config: unknown): void;
  close(): Promise<void>;
}

/** Static pages by host name: what Cloudflare Pages does for the studio. Unknown paths get the app itself. */
export async function startPages(address: string, port: number): Promise<Pages> {
  const sites = new Map<string, { folder: string; config: string }>();
  const server = http.createServer((request, response) => {
    const site = sites.get((request.headers.host ?? '').replace(/:\d+$/, '').toLowerCase());
    const send = (status: number, type: string, body: string | Buffer): void => {
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-cache' }).end(body);
    };
    if (site === undefined) return send(404, 'text/plain', 'no site is deployed under this name');
    const path = normalize(decodeURIComponent((request.url ?? '/').split('?')[0] ?? '/'));
    if (path === '/config.json') return send(200, 'application/json', site.config);
    const file = join(site.folder, path);
    const serve = async (): Promise<void> => {
      const isFile = file.startsWith(site.folder) && (await stat(file).catch(() => null))?.isFile() === true;
      const found = isFile ? file : join(site.folder, 'index.html');
      send(200, TYPES[extname(found)] ?? 'application/octet-stream', await readFile(found));
    };
    serve().catch(() => send(500, 'text/plain', 'the site cannot be read'));
    return undefined;
  });
  server.listen(port, address);
  await once(server, 'listening');
  return {
    deploy(host, folder, config) {
      sites.set(host, { folder, config: JSON.stringify(config) });
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
