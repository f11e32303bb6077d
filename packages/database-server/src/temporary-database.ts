import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDatabaseServer, type DatabaseServer } from './database-server.ts';

/** A server in a folder of its own that is gone when it is stopped: for tests. */
export async function startTemporaryDatabase(...databases: string[]): Promise<DatabaseServer> {
  const folder = await mkdtemp(join(tmpdir(), 'crossfade-database-'));
  // As root, the server runs as another user, who has to pass through.
  await chmod(folder, 0o755);
  const server = await startDatabaseServer({ folder, password: 'temporary', databases, durable: false });
  return {
    ...server,
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
