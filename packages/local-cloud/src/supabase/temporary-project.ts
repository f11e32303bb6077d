import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseServer } from '@crossfade/database-server';
import { startTemporaryDatabase } from '@crossfade/database-server/temporary';
import { startSupabaseProject, type SupabaseProject, type SupabaseProjectOptions } from './project.ts';

export interface TemporaryProject extends SupabaseProject {
  readonly url: string;
  readonly database: DatabaseServer;
  /** Name of the database that holds the project. */
  readonly databaseName: string;
  readonly s3: {
    readonly endpoint: string;
    readonly region: string;
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
  };
  /** Headers of a call with the service key. */
  readonly service: { readonly authorization: string; readonly apikey: string };
}

export const TEMPORARY_JWT_SECRET = 'a secret of at least thirty-two bytes';

/** What a test needs of its project beside the usual. */
export type TemporaryOptions = Partial<Pick<SupabaseProjectOptions, 'backend' | 'fileSizeLimit' | 'isOverloaded'>>;

/** A Supabase project with a public bucket `media`, on a loopback address of its own, gone when it is closed: for tests. */
export async function startTemporaryProject(
  address: string,
  s3Secret = 'secret',
  options: TemporaryOptions = {},
): Promise<TemporaryProject> {
  const folder = await mkdtemp(join(tmpdir(), 'crossfade-supabase-'));
  const databaseName = 'project';
  const database = await startTemporaryDatabase(databaseName);
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const url = `http://${address}:${port}`;
  const credentials = { region: 'eu-west-1', accessKeyId: 'key', secretAccessKey: s3Secret };
  const project = await startSupabaseProject({
    address,
    port,
    folder,
    databaseUrl: database.url(databaseName),
    ref: 'abcdefghijklmnopqrst',
    jwtSecret: TEMPORARY_JWT_SECRET,
    managementToken: 'manage',
    s3: credentials,
    publicUrl: url,
    ...options,
  });
  const service = { authorization: `Bearer ${project.serviceKey}`, apikey: project.serviceKey };
  const made = await fetch(`${url}/storage/v1/bucket`, {
    method: 'POST',
    headers: { ...service, 'content-type': 'application/json' },
    body: JSON.stringify({ id: 'media', name: 'media', public: true }),
  });
  if (!made.ok) throw new Error(`the bucket could not be made: ${await made.text()}`);
  return {
    ...project,
    url,
    database,
    databaseName,
    service,
    s3: { endpoint: `${url}/storage/v1/s3`, ...credentials },
    async close() {
      await project.close();
      await database.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
