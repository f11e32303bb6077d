import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Objects, Server } from './subjects.ts';

/** `nobody` and `nogroup`: for root, nginx runs as they do. */
const NOBODY = { uid: 65_534, gid: 65_534 };
/** What nginx logs once it listens. */
const STARTED = 'start worker process ';

/** One worker process over the folder; whatever it writes lies there too. */
function configuration(folder: string, port: number): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr notice;
events { worker_connections 512; }
http {
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  access_log off; sendfile on; keepalive_requests 100000000;
  server { listen 127.0.0.1:${port}; root ${folder}; }
}
`;
}

/** nginx over files, for what the machine itself can do; `null` where it is not installed. */
export async function startNginx(objects: Objects): Promise<Server | null> {
  if (spawnSync('nginx', ['-v']).error !== undefined) return null;
  const folder = await mkdtemp(join(tmpdir(), 'crossfade-nginx-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const port = await freePort();
  for (const [bytes, content] of objects) await writeFile(join(folder, `object-${bytes}`), content);
  await writeFile(join(folder, 'nginx.conf'), configuration(folder, port));
  const user = process.getuid?.() === 0 ? NOBODY : null;
  if (user !== null) await chown(folder, user.uid, user.gid);
  const child = spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'], {
    ...user,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const closed = once(child, 'close');
  try {
    await started(child, child.stderr);
  } catch (error) {
    await remove();
    throw error;
  }
  const url = (bytes: number): string => `http://127.0.0.1:${port}/object-${bytes}`;
  return {
    subjects: [{ name: 'nginx', judged: false, url }],
    async close() {
      child.kill('SIGTERM');
      await closed;
      await remove();
    },
  };
}

/** Returns when it listens. @throws Error with what it said when it ended instead */
async function started(child: ChildProcess, log: Readable): Promise<void> {
  const lines = createInterface({ input: log });
  const said: string[] = [];
  for await (const line of lines) {
    if (line.includes(STARTED)) {
      // Nobody reads on, and a full pipe would make it wait.
      log.resume();
      return;
    }
    said.push(line);
  }
  throw new Error(`nginx did not start (exit code ${child.exitCode}): ${said.join('; ')}`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}
