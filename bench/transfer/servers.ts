import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { createInterface } from 'node:readline';
import { startR2Gateway } from '@crossfade/local-cloud/cloudflare/r2-gateway';
import { startTemporaryProject } from '@crossfade/local-cloud/supabase/temporary-project';
import { createObjectStore } from '@crossfade/crossfade/providers/s3/object-store';
import type { Manners } from './admission.ts';
import { createContents, keyOf, PART_BYTES, type TransferSet } from './sets.ts';
import type { Address } from './subjects.ts';
import { metaOf } from '../../packages/crossfade/src/providers/object-meta.ts';

/** Where a set is copied from and to. */
export interface Pair {
  readonly from: Address;
  /** An empty bucket to copy to. */
  freshTarget(): Promise<Address>;
  close(): Promise<void>;
}

/** Two processes that keep objects in memory, both with the same manners. */
export async function startFastPair(set: TransferSet, manners: Manners = {}): Promise<Pair> {
  const told = ['--manners', JSON.stringify(manners)];
  const source = await startFast(['--objects', String(set.objects), '--bytes', String(set.bytes), ...told]);
  const target = await startFast(told);
  const address = (endpoint: string): Address => ({
    endpoint,
    region: 'us-east-1',
    accessKeyId: 'bench',
    secretAccessKey: 'bench',
    bucket: 'media',
  });
  return {
    from: address(source.url),
    async freshTarget() {
      await fetch(`${target.url}/empty`, { method: 'POST' });
      return address(target.url);
    },
    async close() {
      await Promise.all([source.close(), target.close()]);
    },
  };
}

async function startFast(args: readonly string[]): Promise<{ url: string; close(): Promise<void> }> {
  const script = join(import.meta.dirname, 'fast-server.ts');
  const child = spawn(process.execPath, [script, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const lines = createInterface(child.stdout);
  const port = await Promise.race([
    once(lines, 'line').then(([line]) => String(line)),
    ended.then(([code]) => Promise.reject(new Error(`the bench's server ended with ${code}`))),
  ]);
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      child.stdin.end();
      await ended;
    },
  };
}

const SEEDED_AT_ONCE = 16;
const META = metaOf({ contentType: 'audio/wav', cacheControl: 'max-age=3600' });

/** The rehearsal's Supabase Storage and its R2. */
export async function startLocalCloudPair(set: TransferSet): Promise<Pair> {
  const project = await startTemporaryProject('127.0.0.56');
  const folder = await mkdtemp(join(tmpdir(), 'crossfade-bench-r2-'));
  const credentials = { accessKeyId: 'bench', secretAccessKey: 'bench-secret' };
  const gateway = await startR2Gateway(folder, credentials, () => {});
  const from: Address = { ...project.s3, bucket: 'media' };
  await seed(from, set);
  let targets = 0;
  return {
    from,
    async freshTarget() {
      // Emptying one of 20,000 objects would take longer than the copy.
      const bucket = `media-${++targets}`;
      await gateway.setBuckets([bucket]);
      return { endpoint: gateway.endpoint, region: 'auto', ...credentials, bucket };
    },
    async close() {
      await gateway.close();
      await project.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function seed(address: Address, set: TransferSet): Promise<void> {
  const limits = { partSizeBytes: PART_BYTES };
  const store = createObjectStore({ label: 'seed', ...address, ...limits });
  const contents = createContents();
  let next = 0;
  const seeder = async (): Promise<void> => {
    for (let index = next++; index < set.objects; index = next++) {
      const pieces = contents.pieces(index, 0, set.bytes);
      const body = set.bytes <= PART_BYTES ? Buffer.concat(pieces) : Readable.from(pieces, { objectMode: false });
      await store.put(keyOf(index), body, set.bytes, META);
    }
  };
  await Promise.all(Array.from({ length: set.bytes > PART_BYTES ? 1 : SEEDED_AT_ONCE }, seeder));
  await store.close();
}
