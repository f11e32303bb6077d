import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { Agent } from 'undici';
import type { World } from '../world.ts';
import { createDevice } from './device.ts';
import { createNameCache } from './name-cache.ts';
import type { AudienceLoad } from './load.ts';
import type { AcceptedUpload, DeviceUser, Surroundings, Track } from './surroundings.ts';
import { createTally, type AudienceStats } from './tally.ts';

const DEVICES = 40;

export interface Audience {
  start(load: AudienceLoad): Promise<void>;
  /** No new arrivals; resolves when those on their way have ended. */
  stop(): Promise<void>;
  stats(): AudienceStats;
  uploads(): readonly AcceptedUpload[];
}

async function readTracks(supabase: World['supabase']['production']): Promise<Track[]> {
  const columns = 'file_url,is_pro_only,size_bytes,content_hash';
  const response = await fetch(`${supabase.url}/rest/v1/library_tracks?select=${columns}`, {
    headers: { apikey: supabase.anonKey, authorization: `Bearer ${supabase.anonKey}` },
  });
  const rows = (await response.json()) as {
    file_url: string;
    is_pro_only: boolean;
    size_bytes: string;
    content_hash: string;
  }[];
  const marker = `/object/public/${supabase.bucket}/`;
  return rows.map((row) => ({
    key: decodeURI(row.file_url.slice(row.file_url.indexOf(marker) + marker.length)),
    isProOnly: row.is_pro_only,
    sizeBytes: Number(row.size_bytes),
    sha256: row.content_hash,
  }));
}

/** Simulated listeners and uploaders of the production app, at a fixed arrival rate. */
export async function createAudience(world: World): Promise<Audience> {
  const folder = join(world.folder, 'audience');
  await mkdir(folder, { recursive: true });
  const uploadsFile = join(folder, 'uploads.ndjson');
  const accepted: AcceptedUpload[] = (await readFile(uploadsFile, 'utf8').catch(() => ''))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as AcceptedUpload);
  const agents = new Map<string, Agent>();
  const connectionTo = (address: string): Agent => {
    const existing = agents.get(address);
    if (existing !== undefined) return existing;
    const agent = new Agent({
      connections: 128,
      connect: {
        lookup: (_name, options, done) => {
          if (options.all === true) done(null, [{ address, family: isIP(address) }]);
          else done(null, address, isIP(address));
        },
      },
    });
    agents.set(address, agent);
    return agent;
  };
  const tally = createTally();
  const { production } = world.supabase;
  const users: readonly DeviceUser[] = production.users.filter((user) => user.email.startsWith('listener'));
  let devices: ReturnType<typeof createDevice>[] = [];
  let timer: NodeJS.Timeout | null = null;
  let writing: Promise<void> = Promise.resolve();
  const onTheWay = new Set<Promise<void>>();

  async function makeDevices(pieces: number): Promise<void> {
    const tracks = await readTracks(production);
    const surroundings = (resolve: Surroundings['resolve']): Surroundings => ({
      mediaOrigin: `http://media.${world.cloudflare.zoneName}:${world.httpPort}`,
      supabase: { url: production.url, anonKey: production.anonKey, bucket: production.bucket },
      tracks,
      pieces,
      connectionTo,
      resolve,
      count: tally.count,
      uploaded: (upload) => {
        accepted.push(upload);
        writing = writing.then(() => appendFile(uploadsFile, `${JSON.stringify(upload)}\n`));
      },
    });
    devices = Array.from({ length: DEVICES }, (_, index) => {
      const user = users[index % users.length];
      const resolver = world.dns.resolvers[index % world.dns.resolvers.length];
      if (user === undefined || resolver === undefined) throw new Error('the world has no listeners or no resolvers');
      return createDevice(user, surroundings(createNameCache(resolver)));
    });
  }

  return {
    async start({ ratePerSecond, pieces }) {
      if (timer !== null) return;
      if (devices.length === 0) await makeDevices(pieces);
      tally.begin();
      const begun = performance.now();
      let arrived = 0;
      // The timetable is absolute: an arrival that comes late (a busy machine) is made at once, and its latency
      // counts from when it should have been.
      timer = setInterval(() => {
        for (; begun + (arrived * 1000) / ratePerSecond <= performance.now(); arrived++) {
          const device = devices[arrived % devices.length];
          if (device === undefined) return;
          const acting = device.act(begun + (arrived * 1000) / ratePerSecond).finally(() => onTheWay.delete(acting));
          onTheWay.add(acting);
        }
      }, 5);
    },
    async stop() {
      if (timer !== null) clearInterval(timer);
      timer = null;
      await Promise.all(onTheWay);
      await writing;
      await writeFile(join(folder, 'stats.json'), JSON.stringify(tally.stats(accepted.length), null, 2));
    },
    stats: () => tally.stats(accepted.length),
    uploads: () => accepted,
  };
}
