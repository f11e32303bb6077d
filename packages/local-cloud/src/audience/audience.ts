import { mkdir, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { Agent } from 'undici';
import type { World } from '../world.ts';
import { createDevice } from './device.ts';
import { createNameCache } from './name-cache.ts';
import type { AudienceLoad, WriteRates } from './load.ts';
import { randomOf, type Random } from './seeded-random.ts';
import type { DeviceUser, Surroundings, Track } from './surroundings.ts';
import { createTally, type AudienceStats } from './tally.ts';
import { startTimetable, type Timetable } from './timetable.ts';
import { openWriteRecord, type KeyTruth, type ToldWrite, type WriteKind } from './write-record.ts';

const DEVICES = 40;
/** Streams of choices below the seed. */
const [DEVICE, ARRIVAL, WRITER] = [1, 2, 3];
const NO_WRITES: WriteRates = { uploads: 0, overwrites: 0, deletes: 0 };

export interface Audience {
  start(load: AudienceLoad): Promise<void>;
  /** No new arrivals; resolves when those on their way have ended. */
  stop(): Promise<void>;
  /** From now on uploaders write so often beside the listeners. */
  write(rates: WriteRates): void;
  stats(): AudienceStats;
  /** What the uploaders were told, by key and one operation after the other. */
  told(): { readonly keys: readonly KeyTruth[]; readonly writes: readonly ToldWrite[] };
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

/** Simulated listeners and uploaders of the production app, at a fixed arrival rate; `folder` keeps what they did. */
export async function createAudience(world: World, folder: string): Promise<Audience> {
  await mkdir(folder, { recursive: true });
  const record = await openWriteRecord(join(folder, 'writes.ndjson'));
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
  let writers: ReturnType<typeof createDevice>[] = [];
  let seed: number | null = null;
  let arriving: Timetable | null = null;
  let writing: Timetable | null = null;
  let rates = NO_WRITES;
  // Counted on over every pause: the same choice is never made twice.
  let [arrived, written] = [0, 0];
  const onTheWay = new Set<Promise<void>>();

  async function makeDevices({ pieces, seed: chosen }: AudienceLoad): Promise<void> {
    seed = chosen;
    const tracks = await readTracks(production);
    const surroundings = (resolve: Surroundings['resolve']): Surroundings => ({
      mediaOrigin: `http://media.${world.cloudflare.zoneName}:${world.httpPort}`,
      supabase: { url: production.url, anonKey: production.anonKey, bucket: production.bucket },
      tracks,
      pieces,
      connectionTo,
      resolve,
      count: tally.count,
      record,
    });
    const made = Array.from({ length: DEVICES }, (_, index) => {
      const user = users[index % users.length];
      const resolver = world.dns.resolvers[index % world.dns.resolvers.length];
      if (user === undefined || resolver === undefined) throw new Error('the world has no listeners or no resolvers');
      return {
        user,
        device: createDevice(user, surroundings(createNameCache(resolver)), randomOf(chosen, DEVICE, index)),
      };
    });
    devices = made.map(({ device }) => device);
    // Only their day has room for so many uploads.
    writers = made.flatMap(({ user, device }) => (user.tier === 'enterprise' ? [device] : []));
  }

  function comes(acting: Promise<void>): void {
    const done = acting.finally(() => onTheWay.delete(done));
    onTheWay.add(done);
  }

  function startWriting(): void {
    writing?.stop();
    const { uploads, overwrites, deletes } = rates;
    const ratePerSecond = uploads + overwrites + deletes;
    writing = null;
    if (ratePerSecond === 0 || arriving === null) return;
    writing = startTimetable(ratePerSecond, (intended) => {
      const random = randomOf(seed ?? 0, WRITER, written);
      const device = writers[written % writers.length];
      written++;
      if (device !== undefined) comes(device.write(kindFrom(rates, random), intended, random));
    });
  }

  const stats = (): AudienceStats => tally.stats({ written: record.counts(), seed });

  return {
    async start(load) {
      if (arriving !== null) return;
      if (devices.length === 0) await makeDevices(load);
      tally.begin();
      arriving = startTimetable(load.ratePerSecond, (intended) => {
        const device = devices[arrived % devices.length];
        const random = randomOf(seed ?? 0, ARRIVAL, arrived);
        arrived++;
        if (device !== undefined) comes(device.act(intended, random));
      });
      startWriting();
    },
    async stop() {
      arriving?.stop();
      writing?.stop();
      [arriving, writing] = [null, null];
      await Promise.all(onTheWay);
      await record.written();
      await writeFile(join(folder, 'stats.json'), JSON.stringify(stats(), null, 2));
    },
    write(next) {
      rates = next;
      startWriting();
    },
    stats,
    told: () => ({ keys: record.truths(), writes: record.writes() }),
  };
}

function kindFrom({ uploads, overwrites, deletes }: WriteRates, random: Random): WriteKind {
  const point = random() * (uploads + overwrites + deletes);
  if (point < uploads) return 'upload';
  return point < uploads + overwrites ? 'overwrite' : 'delete';
}
