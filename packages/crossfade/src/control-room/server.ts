import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { extname, join, normalize, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import type { Journal } from '../rollout/journal.ts';
import type { JournalEvent } from '../rollout/journal-event.ts';
import { buildReport } from '../report/build-report.ts';
import { UserError } from '../cli/user-error.ts';

const PAGE = fileURLToPath(new URL('../../../../apps/dashboard/dist', import.meta.url));
const PING_MS = 15_000;
const MOST_PORTS = 50;
/** A client that is so many events behind is let go; it comes back and asks from where it was. */
const MOST_WAITING = 20_000;
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.json': 'application/json',
};

export interface ControlRoomOptions {
  readonly journal: Journal;
  readonly evidenceFolder: string;
  readonly port: number;
  /** Only this port will do; otherwise the next free one. */
  readonly fixed: boolean;
}

/** The control room's server: the page, the journal as server-sent events, the report so far. Listens on loopback. */
export async function startControlRoom(options: ControlRoomOptions): Promise<{ url: string; close(): Promise<void> }> {
  const { journal } = options;
  const app = new Hono();
  // Another site's page could have its own name lead here: only this machine's names are answered.
  app.use(async (context, next) => {
    const { hostname } = new URL(context.req.url);
    return hostname === '127.0.0.1' || hostname === 'localhost' ? next() : context.text('not this host', 403);
  });

  app.get('/api/events', (context) =>
    streamSSE(context, async (stream) => {
      context.header('x-accel-buffering', 'no');
      const waiting: JournalEvent[] = [];
      let wake: () => void = () => {};
      const unsubscribe = journal.subscribe((event) => {
        waiting.push(event);
        wake();
      });
      const ping = setInterval(() => void stream.write(': ping\n\n'), PING_MS);
      stream.onAbort(() => wake());
      try {
        let seen = Number(context.req.header('last-event-id') ?? context.req.query('after') ?? 0);
        // Subscribed first, read second: what comes in between is in both, and is sent once.
        waiting.unshift(...(await journal.read(Number.isFinite(seen) ? seen : 0)));
        while (!stream.aborted && waiting.length < MOST_WAITING) {
          for (let event = waiting.shift(); event !== undefined; event = waiting.shift()) {
            if (event.seq <= seen) continue;
            seen = event.seq;
            await stream.writeSSE({ id: String(event.seq), data: JSON.stringify(event) });
          }
          await new Promise<void>((resolve) => {
            wake = resolve;
            if (waiting.length > 0) resolve();
          });
        }
      } finally {
        clearInterval(ping);
        unsubscribe();
      }
    }),
  );
  app.get('/api/report', async (context) => context.json(buildReport(await journal.read())));
  app.get('/evidence/*', (context) => sendFile(options.evidenceFolder, context.req.path.slice('/evidence'.length)));
  app.get('*', (context) => sendFile(PAGE, context.req.path === '/' ? '/index.html' : context.req.path));

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

async function sendFile(folder: string, path: string): Promise<Response> {
  const file = fileBelow(folder, path);
  const found = file !== null && (await stat(file).catch(() => null))?.isFile() === true;
  if (!found) return new Response('there is no such file', { status: 404 });
  return new Response(new Uint8Array(await readFile(file)), {
    headers: { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' },
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
