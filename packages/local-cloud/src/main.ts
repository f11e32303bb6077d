import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startDatabaseServer } from '@crossfade/database-server';
import { startCloudflareApi } from './cloudflare/api-server.ts';
import { openDataPoints } from './cloudflare/data-points.ts';
import { openQueues } from './cloudflare/queues.ts';
import { createWorkersRuntime } from './cloudflare/workers-runtime.ts';
import { startControlApi } from './control-api.ts';
import { startAuthority } from './dns/authority.ts';
import { startResolver } from './dns/resolver.ts';
import { createFaults, overloadOf } from './faults.ts';
import { seedLegacyApp } from './legacy-app/seed-legacy-app.ts';
import { startAudiences, type Audiences } from './audience/audiences.ts';
import { startPages } from './pages.ts';
import { startSupabaseProject } from './supabase/project.ts';
import { sharedPort } from './world-ports.ts';
import type { SupabaseHandle, World } from './world.ts';

/*
 * The local cloud: one process that starts everything a rehearsal needs and ends it again. It leads a process
 * group of its own, outlives the controller (a cloud does), and stops itself when nobody has asked for it for a
 * while. Lines on stdout that begin with `say ` are progress; `ready` ends them.
 */
const [folder = '', ttlScaleText = '1'] = process.argv.slice(2);
const ttlScale = Number(ttlScaleText);

const ZONE = 'audafact.com';
const ACCOUNT_ID = 'a0dafac7'.repeat(4);
const ZONE_ID = '20ce0dafac7a0dafac7a0dafac7a0daf'.replace(/[^0-9a-f]/g, '0');
const SUBDOMAIN = 'audafact';
const ADDRESSES = { edge: '127.0.0.31', legacy: '127.0.0.21', stagingSupabase: '127.0.0.22', pages: '127.0.0.41' };
const AUTHORITY = '127.0.0.10';
/** The last one is slow to let go. */
const RESOLVERS = [
  { address: '127.0.0.11', holdFactor: 1 },
  { address: '127.0.0.12', holdFactor: 1 },
  { address: '127.0.0.13', holdFactor: 2 },
];
/** One for each of the audience's devices: limits count by user. */
const LISTENERS = 40;
const ALONE_MS = 10 * 60_000;

const say = (line: string): void => void process.stdout.write(`say ${line}\n`);
// Whoever started the world listens until it is ready: what is said later reaches nobody, and that is no error.
process.stdout.on('error', () => {});
const undo: (() => Promise<unknown>)[] = [];
let stopping = false;

async function stop(exitCode: number): Promise<never> {
  if (!stopping) {
    stopping = true;
    for (let action = undo.pop(); action !== undefined; action = undo.pop()) {
      await action().catch((error: unknown) => console.error('while stopping:', error));
    }
    process.exit(exitCode);
  }
  return new Promise(() => {});
}
process.on('SIGTERM', () => void stop(0));
process.on('SIGINT', () => {});
process.on('SIGHUP', () => {});

/** Secrets are made once for a folder, so that a world started again is the same one. */
async function secrets(): Promise<Record<string, string>> {
  const file = join(folder, 'secrets.json');
  const existing = await readFile(file, 'utf8').catch(() => null);
  if (existing !== null) return JSON.parse(existing) as Record<string, string>;
  const made: Record<string, string> = {};
  for (const name of [
    'database',
    'token',
    'r2Id',
    'r2Secret',
    'stagingJwt',
    'productionJwt',
    'stagingS3Id',
    'stagingS3',
    'productionS3Id',
    'productionS3',
    'management',
    'password',
  ]) {
    made[name] = randomBytes(24).toString('hex');
  }
  await writeFile(file, JSON.stringify(made), { mode: 0o600 });
  return made;
}

type Person = Pick<SupabaseHandle['users'][number], 'email' | 'tier'>;

/** One audience's; `suffix` tells them from another one's. Most who listen at the same time, and so long, pay for it. */
const listeners = (suffix = ''): Person[] =>
  Array.from({ length: LISTENERS }, (_, index) => ({
    email: `listener${index + 1}${suffix}@${ZONE}`,
    tier: (['enterprise', 'pro', 'enterprise', 'free'] as const)[index % 4] ?? 'pro',
  }));

async function main(): Promise<void> {
  await mkdir(folder, { recursive: true });
  const secret = await secrets();
  const of = (name: string): string => secret[name] ?? '';
  const httpPort = await sharedPort(Object.values(ADDRESSES), 'tcp');
  const dnsPort = await sharedPort([AUTHORITY, ...RESOLVERS.map((one) => one.address)], 'dns', 15_353);

  say('Postgres for the two Supabase projects …');
  const starting = startDatabaseServer({
    folder: join(folder, 'database'),
    password: of('database'),
    databases: ['supabase_production', 'supabase_staging'],
    durable: false,
  });
  // Whoever stops the world while it starts waits for this one: it runs in a session of its own.
  undo.push(async () => (await starting).stop());
  const database = await starting;

  const faults = createFaults();
  const projects = { staging: ADDRESSES.stagingSupabase, production: ADDRESSES.legacy };
  const staging = await startProject('staging');
  const production = await startProject('production');
  const handles: Record<'staging' | 'production', SupabaseHandle> = {
    staging: staging.handle,
    production: production.handle,
  };
  async function startProject(name: 'staging' | 'production') {
    say(`Supabase project of ${name} …`);
    const url = `http://${projects[name]}:${httpPort}`;
    const ref = name === 'staging' ? 'stagingaudafactlocal' : 'productionaudafactxy';
    const s3 = { region: 'eu-west-1', accessKeyId: of(`${name}S3Id`), secretAccessKey: of(`${name}S3`) };
    const project = await startSupabaseProject({
      address: projects[name],
      port: httpPort,
      folder: join(folder, `supabase-${name}`),
      databaseUrl: database.url(`supabase_${name}`),
      ref,
      jwtSecret: of(`${name}Jwt`),
      managementToken: of('management'),
      s3,
      publicUrl: url,
      isOverloaded: overloadOf(faults, name),
    });
    undo.push(() => project.close());
    const tiers = ['free', 'pro', 'enterprise'] as const;
    const password = of('password');
    const createUsers = async (people: readonly Person[]): Promise<SupabaseHandle['users']> => {
      const users: SupabaseHandle['users'] = [];
      for (const { email, tier } of people)
        users.push({ id: await project.createUser({ email, password, tier }), email, password, tier });
      return users;
    };
    const handle: SupabaseHandle = {
      ref,
      url,
      anonKey: project.anonKey,
      serviceKey: project.serviceKey,
      managementToken: of('management'),
      jwtSecret: of(`${name}Jwt`),
      s3: { ...s3, endpoint: `${url}/storage/v1/s3` },
      bucket: 'audafact',
      databaseUrl: project.databaseUrl,
      users: await createUsers([
        ...listeners(),
        ...tiers.map((tier) => ({ email: `check-${tier}@${ZONE}`, tier })),
        ...tiers.map((tier) => ({ email: `limit-${tier}@${ZONE}`, tier })),
      ]),
    };
    return { handle, createUsers };
  }

  say("the legacy app's media …");
  const uploaders = handles.production.users.slice(0, 12).map((user) => user.id);
  const seeded = await seedLegacyApp(
    { ...handles.production, mediaOrigin: `http://media.${ZONE}:${httpPort}`, users: uploaders },
    { tracks: 250, uploads: 80, large: true },
    (files, bytes) => {
      if (files % 60 === 0) say(`the legacy app's media: ${files} files, ${Math.round(bytes / 1024 / 1024)} MiB`);
    },
  );
  await seedLegacyApp(
    {
      ...handles.staging,
      mediaOrigin: `http://staging.media.${ZONE}:${httpPort}`,
      users: handles.staging.users.slice(0, 12).map((user) => user.id),
    },
    { tracks: 12, uploads: 3, large: false, largest: 400_000 },
    () => {},
  );
  if (seeded.files > 0)
    say(
      `the legacy app's media: ${seeded.files} files, ${Math.round(seeded.bytes / 1024 / 1024)} MiB, in Supabase Storage`,
    );

  say('Workers runtime, R2 and the edge …');
  const r2 = { accessKeyId: of('r2Id'), secretAccessKey: of('r2Secret') };
  const queues = await openQueues(join(folder, 'queues'));
  const dataPoints = openDataPoints();
  undo.push(async () => dataPoints.close());
  const runtime = await createWorkersRuntime({
    folder: join(folder, 'workers'),
    edge: { address: ADDRESSES.edge, port: httpPort },
    workersSubdomain: SUBDOMAIN,
    r2Credentials: r2,
    sinks: {
      onMessages: (queue, bodies) => queues.send(queue, bodies),
      onDataPoint: (dataset, point) => dataPoints.write(dataset, point),
    },
    faults,
  });
  undo.push(() => runtime.close());
  const account = await startCloudflareApi({
    r2Keys: r2,
    folder: join(folder, 'account'),
    host: '127.0.0.1',
    port: 0,
    token: of('token'),
    accountId: ACCOUNT_ID,
    zoneId: ZONE_ID,
    zoneName: ZONE,
    workersSubdomain: SUBDOMAIN,
    runtime,
    queues,
    dataPoints,
    faults,
  });
  undo.push(() => account.close());
  await createZone(account.url, of('token'));

  say('DNS: one authority, three resolvers …');
  const pagesHosts = new Set([ZONE, `www.${ZONE}`, `staging.${ZONE}`]);
  const authority = await startAuthority({
    address: AUTHORITY,
    port: dnsPort,
    zoneName: ZONE,
    records: () => account.records(),
    edgeFor: (name) => (pagesHosts.has(name) ? ADDRESSES.pages : ADDRESSES.edge),
  });
  undo.push(() => authority.close());
  const resolvers: string[] = [];
  for (const { address, holdFactor } of RESOLVERS) {
    const resolver = await startResolver({
      address,
      port: dnsPort,
      authority: authority.address,
      ttlScale,
      holdFactor,
      isStale: () => faults.holding('stale-dns').some((fault) => fault.resolver === address),
    });
    undo.push(() => resolver.close());
    resolvers.push(resolver.address);
  }
  const pages = await startPages(ADDRESSES.pages, httpPort, join(folder, 'pages'));
  undo.push(() => pages.close());

  let lastBeat = Date.now();
  let audiences: Audiences | null = null;
  const control = await startControlApi(0, {
    audiences: () => {
      if (audiences === null) throw new Error('the audience has not come yet');
      return audiences;
    },
    pages,
    calls: () => account.calls,
    expireObjects: (bucket, now) => account.expireObjects(bucket, now),
    faults,
    onHeartbeat: () => (lastBeat = Date.now()),
    onStop: () => setImmediate(() => void stop(0)),
  });
  undo.push(() => control.close());
  const alone = setInterval(() => {
    if (Date.now() - lastBeat > ALONE_MS) void stop(0);
  }, 30_000);
  undo.push(async () => clearInterval(alone));

  const world: World = {
    pid: process.pid,
    startedAt: new Date().toISOString(),
    folder,
    controlUrl: control.url,
    httpPort,
    addresses: ADDRESSES,
    cloudflare: {
      apiBaseUrl: account.url,
      token: of('token'),
      accountId: ACCOUNT_ID,
      zoneId: ZONE_ID,
      zoneName: ZONE,
      workersSubdomain: SUBDOMAIN,
      r2: { endpoint: runtime.r2Endpoint, ...r2 },
    },
    supabase: handles,
    dns: { authority: authority.address, resolvers, ttlScale },
  };
  const file = join(folder, 'world.json');
  await writeFile(`${file}.new`, JSON.stringify(world, null, 2), { mode: 0o600 });
  audiences = await startAudiences(world, (number) => production.createUsers(listeners(`.${number}`)));
  undo.push(async () => audiences?.close());
  // Last: who finds this file finds everything running.
  await rename(`${file}.new`, file);
  process.stdout.write('ready\n');
}

/** The zone as it was before the rollout: production's media leads to legacy, and nothing of the new stack exists. */
async function createZone(api: string, token: string): Promise<void> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const listed = (await (await fetch(`${api}/zones/${ZONE_ID}/dns_records`, { headers })).json()) as {
    result: unknown[];
  };
  if (listed.result.length > 0) return;
  const proxied = (name: string) => ({ type: 'A', name, content: '192.0.2.1', ttl: 1, proxied: true });
  const records = [
    { type: 'A', name: `media.${ZONE}`, content: ADDRESSES.legacy, ttl: 300, proxied: false },
    proxied(ZONE),
    proxied(`www.${ZONE}`),
    proxied(`staging.${ZONE}`),
  ];
  for (const record of records) {
    const response = await fetch(`${api}/zones/${ZONE_ID}/dns_records`, {
      method: 'POST',
      headers,
      body: JSON.stringify(record),
    });
    if (!response.ok) throw new Error(`the record of ${record.name} could not be made: ${await response.text()}`);
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.stdout.write(`failed ${error instanceof Error ? error.message.replaceAll('\n', ' ') : String(error)}\n`);
  void stop(1);
});
