import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare';
import { deployWorker } from '../../apps/media-worker/test/deployed-worker.ts';

/** One who serves objects by size: 64 KiB and 1 MiB lie there already. */
export interface Subject {
  readonly name: string;
  /** A URL that answers the object of so many bytes with 200. */
  url(bytes: number): Promise<string>;
  close(): Promise<void>;
}

const content = (bytes: number): Uint8Array => new Uint8Array(bytes).fill(7);

/** What any Worker over R2 has to do at least: one `get()` on the same runtime. */
export async function bareWorker(sizes: readonly number[]): Promise<Subject> {
  const mf = new Miniflare(
    convertV4MiniflareOptions({
      host: '127.0.0.1',
      port: 0,
      log: new Log(LogLevel.NONE),
      telemetry: { enabled: false },
      cf: false,
      workers: [
        {
          name: 'bare',
          modules: true,
          compatibilityDate: '2026-07-01',
          r2Buckets: { MEDIA: { id: 'media' } },
          script: `export default { async fetch(request, env) {
            const object = await env.MEDIA.get(new URL(request.url).pathname.slice(1));
            return object === null ? new Response(null, { status: 404 }) : new Response(object.body);
          } }`,
        },
      ],
    }),
  );
  const address = await mf.ready;
  const bucket = await mf.getR2Bucket('MEDIA', 'bare');
  for (const bytes of sizes) await bucket.put(`object-${bytes}`, content(bytes));
  return {
    name: 'bare Worker, bucket.get()',
    url: async (bytes) => new URL(`/object-${bytes}`, address).href,
    close: () => mf.dispose(),
  };
}

/** The media Worker, by signed links: of a user's own file (never kept at the edge) and of the library. */
export async function mediaWorker(sizes: readonly number[]): Promise<Subject[]> {
  const worker = await deployWorker({ legacy: false });
  const user = worker.users.enterprise;
  const own = (bytes: number): string => `users/${user}/uploads/object-${bytes}.wav`;
  const library = (bytes: number): string => `library/originals/object-${bytes}.wav`;
  for (const bytes of sizes) {
    await worker.query('insert into library_tracks (title, file_key) values ($1, $2)', [String(bytes), library(bytes)]);
    await worker.putR2(own(bytes), content(bytes));
    await worker.putR2(library(bytes), content(bytes));
  }
  const at = async (key: string): Promise<string> => {
    const { pathname, search } = new URL(await worker.sign(user, key));
    return new URL(`${pathname}${search}`, worker.address).href;
  };
  let open = 2;
  const close = async (): Promise<void> => {
    if (--open === 0) await worker.close();
  };
  return [
    { name: 'media Worker, signed, own file', url: (bytes) => at(own(bytes)), close },
    { name: 'media Worker, signed, library', url: (bytes) => at(library(bytes)), close },
  ];
}

/** nginx over files, one worker process; `null` where it is not installed. */
export async function nginx(sizes: readonly number[]): Promise<Subject | null> {
  if (spawnSync('nginx', ['-v']).error !== undefined) return null;
  const folder = await mkdtemp(join(tmpdir(), 'crossfade-nginx-'));
  await mkdir(join(folder, 'files'));
  for (const bytes of sizes) await writeFile(join(folder, 'files', `object-${bytes}`), content(bytes));
  const port = await freePort();
  await writeFile(
    join(folder, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log; ${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 512; }
http { access_log off; sendfile on; keepalive_requests 1000000; server { listen 127.0.0.1:${port}; root ${folder}/files; } }`,
  );
  const child = spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], { stdio: 'ignore' });
  const closed = once(child, 'close');
  const url = (bytes: number): string => `http://127.0.0.1:${port}/object-${bytes}`;
  while (!(await answers(url(sizes[0] ?? 0)))) {
    if (child.exitCode !== null) throw new Error(`nginx did not start; see ${folder}/error.log`);
  }
  return {
    name: 'nginx',
    url: async (bytes) => url(bytes),
    async close() {
      child.kill('SIGTERM');
      await closed;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const answers = (url: string): Promise<boolean> =>
  fetch(url).then(
    async (response) => {
      await response.arrayBuffer();
      return response.ok;
    },
    () => false,
  );

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}
