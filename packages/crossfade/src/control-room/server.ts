import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { extname, join, normalize, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import { buildReport } from '../report/build-report.ts';
import { UserError } from '../cli/user-error.ts';
import { peopleRoutes, type PeopleOptions } from './decisions.ts';
import { eventStream } from './event-stream.ts';

const PAGE = fileURLToPath(new URL('../../../../apps/dashboard/dist', import.meta.url));
const MOST_PORTS = 50;
/** The page has an abort button: nobody may put it into a frame of theirs, and only its own script runs. */
const PAGE_RULES =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/** Evidence is what others' servers answered: shown, but as a stranger that runs no script and reads no token. */
const EVIDENCE_RULES =
  "sandbox allow-downloads; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.json': 'application/json',
};

export interface ControlRoomOptions extends PeopleOptions {
  readonly evidenceFolder: string;
  readonly port: number;
  /** Only this port will do; otherwise the next free one. */
  readonly fixed: boolean;
}

/**
 * The control room's server: the page, the journal as server-sent events, the report so
 * far, and what operators decide. Listens on loopback.
 */
export async function startControlRoom(options: ControlRoomOptions): Promise<{ url: string; close(): Promise<void> }> {
  const { journal } = options;
  const app = new Hono();
  // Another site's page could have its own name lead here: only this machine's names are answered.
  app.use(async (context, next) => {
    const { hostname } = new URL(context.req.url);
    return hostname === '127.0.0.1' || hostname === 'localhost' ? next() : context.text('not this host', 403);
  });

  app.get('/api/events', (context) => eventStream(context, journal));
  app.get('/api/report', async (context) => context.json(buildReport(await journal.read())));
  app.route('/api', peopleRoutes(options));
  app.get('/evidence/*', (context) =>
    sendFile(options.evidenceFolder, context.req.path.slice('/evidence'.length), EVIDENCE_RULES),
  );
  app.get('*', (context) => sendFile(PAGE, context.req.path === '/' ? '/index.html' : context.req.path, PAGE_RULES));

  const server = createAdaptorServer({ fetch: app.fetch });
  const port = await listen(server, options);
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      if ('closeAllConnections' in server) server.closeAllConnections();
      await closed;
    },
  };
}

async function sendFile(folder: string, path: string, rules: string): Promise<Response> {
  const file = fileBelow(folder, path);
  const found = file !== null && (await stat(file).catch(() => null))?.isFile() === true;
  if (!found) return new Response('there is no such file', { status: 404 });
  return new Response(new Uint8Array(await readFile(file)), {
    headers: {
      'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
      'content-security-policy': rules,
      'x-content-type-options': 'nosniff',
    },
  });
}

/** The file that a path of the page names; `null` when it lies elsewhere or the path is none. */
function fileBelow(folder: string, path: string): string | null {
  try {
    const file = join(folder, normalize(decodeURIComponent(path)));
    return file.startsWith(`${folder}${sep}`) ? file : null;
  } catch {
    return null;
  }
}

async function listen(
  server: ReturnType<typeof createAdaptorServer>,
  { port, fixed }: ControlRoomOptions,
): Promise<number> {
  for (let candidate = port; candidate < port + MOST_PORTS; candidate++) {
    const failed = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
      const onError = (error: NodeJS.ErrnoException): void => resolve(error);
      server.once('error', onError);
      server.listen(candidate, '127.0.0.1', () => {
        server.off('error', onError);
        resolve(null);
      });
    });
    if (failed === null) return candidate;
    if (failed.code !== 'EADDRINUSE') throw failed;
    if (fixed)
      throw new UserError(
        'CROSSFADE_PORT_TAKEN',
        `port ${port} is in use`,
        'name another with --port, or none to have one chosen',
      );
  }
  throw new UserError(
    'CROSSFADE_PORT_TAKEN',
    `no port from ${port} to ${port + MOST_PORTS - 1} is free`,
    'name one with --port',
  );
}
