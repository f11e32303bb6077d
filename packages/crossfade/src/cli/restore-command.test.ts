import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DatabaseServer } from '@crossfade/database-server';
import { startTemporaryDatabase } from '@crossfade/database-server/temporary';
import { Pool } from 'pg';
import * as v from 'valibot';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startSmallCloud, type SmallCloud } from '../engine/fixtures/small-cloud.ts';
import { createSmallJournal, smallWalk } from '../engine/fixtures/small-walk.ts';
import { backupStep } from '../phases/preparation/backup-step.ts';
import { createProviders, openR2Bucket } from '../providers/create-providers.ts';
import type { ObjectStore, Providers } from '../providers/providers.ts';
import type { RolloutConfig } from '../rollout/config.ts';
import type { RolloutContext } from '../rollout/context.ts';
import { createJournalTable, openJournal } from '../rollout/journal.ts';
import { versionKeeper } from '../transfer/backup/keep-versions.ts';
import { metaOf } from '../providers/object-meta.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const signal = new AbortController().signal;
const META = metaOf({ contentType: 'audio/wav', cacheControl: 'max-age=60', custom: { artist: 'Ada' } });

let server: DatabaseServer;
let cloud: SmallCloud;
let folder: string;
let config: RolloutConfig;
let providers: Providers;
let context: RolloutContext;
let media: ObjectStore;
let then: string;

async function put(store: ObjectStore, key: string, text: string): Promise<void> {
  const bytes = Buffer.from(text);
  await store.put(key, bytes, bytes.byteLength, META);
}
async function contents(store: ObjectStore): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const { key } of store.list()) {
    const chunks: Buffer[] = [];
    for await (const chunk of (await store.get(key))?.body ?? []) chunks.push(Buffer.from(chunk));
    found[key] = Buffer.concat(chunks).toString();
  }
  return found;
}

beforeAll(async () => {
  server = await startTemporaryDatabase('app', 'rollouts');
  cloud = await startSmallCloud({ databaseUrl: server.url('app') });
  folder = await mkdtemp(join(tmpdir(), 'crossfade-restore-'));
  config = { ...cloud.config, backup: { bucket: 'small-backup' } };
  await writeFile(join(folder, 'small.config.ts'), `export default ${JSON.stringify(config)};`);
  providers = createProviders(config);
  media = providers.r2.production;
  const walk = smallWalk({ config, providers, journal: createSmallJournal(), folder });
  context = walk.contextFor('preparation', signal);
  await providers.cloudflare.createBucket(config.environments.production.worker.bucket);
  const pool = new Pool({ connectionString: server.url('rollouts') });
  await createJournalTable(pool);
  const journal = openJournal(pool, 'small-20260601-100000', (value) => value);
  const data = { command: 'prepare', attempt: 1, operator: 'a test' };
  await journal.append({ kind: 'run.started', data }, { phase: null });
  await pool.end();
}, 180_000);
afterAll(async () => {
  await providers.close();
  await cloud.close();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

/** As the journal has it once production writes to R2. */
async function switched(): Promise<void> {
  const pool = new Pool({ connectionString: server.url('rollouts') });
  const journal = openJournal(pool, 'small-20260601-100000', (value) => value);
  const place = { phase: 'cutover.dns', subject: 'dns.switch' } as const;
  await journal.append({ kind: 'step.started', data: { title: 'Media host switched' } }, place);
  await pool.end();
}

const answer = v.looseObject({
  failed: v.optional(v.number()),
  changes: v.optional(v.array(v.looseObject({ change: v.string(), key: v.string() }))),
});
function rollback(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const options = { cwd: folder, env: { ...process.env, NO_COLOR: '1', DATABASE_URL: server.url('rollouts') } };
  const all = [MAIN, 'rollback', 'data', '--config', 'small.config.ts', ...args];
  return new Promise((resolve) => {
    execFile(process.execPath, all, options, (error, out, err) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err }),
    );
  });
}

it('the step of preparation makes the bucket, keeps every object in it, and does nothing more the second time', async () => {
  const step = backupStep();
  await put(media, 'gone.wav', 'gone then');
  await put(media, 'changed ä+?.wav', 'changed then');
  await put(media, 'same.wav', 'same');
  const before = await step.look(context);
  expect(before).toEqual({ existed: false, lifecycle: [] });
  expect(await step.run(context, before)).toMatchObject({ created: true, objects: 3, copied: 3 });
  expect((await step.verify(context, before)).status).toBe('pass');
  expect(await step.run(context, before)).toMatchObject({ created: false, objects: 3, copied: 0 });
  expect(await step.compensate(context, before)).toMatchObject({ kept: expect.stringContaining('base/') });
  await providers.cloudflare.putLifecycle('small-backup', []);
  expect((await step.verify(context, before)).status).toBe('fail');
  await expect(step.run(context, before)).rejects.toThrow('holds base/');
  await providers.cloudflare.putLifecycle('small-backup', [
    { id: 'crossfade-x', enabled: true, conditions: { prefix: '' } },
  ]);
  await step.run(context, before);
  expect((await step.verify(context, before)).status).toBe('pass');
  then = new Date().toISOString();
});

it('a dry run names each change as one JSON document, and makes none', async () => {
  const { backup } = providers;
  if (backup === null) throw new Error('there is no backup');
  const keep = versionKeeper({ media, backup, signal });
  await media.delete('gone.wav');
  await keep({ id: 'e1', type: 'delete', key: 'gone.wav', size: null, etag: null, at: new Date().toISOString() });
  await put(media, 'changed ä+?.wav', 'changed since');
  await put(media, 'new.wav', 'new');
  const before = await contents(media);
  const { code, out } = await rollback('--to', then, '--dry-run', '--json');
  expect(code).toBe(0);
  const { changes = [] } = v.parse(answer, JSON.parse(out));
  expect(changes.map(({ change, key }) => `${change} ${key}`).toSorted()).toEqual([
    'delete new.wav',
    'overwrite changed ä+?.wav',
    'restore gone.wav',
  ]);
  expect((await rollback('--to', then, '--dry-run')).out.split('\n').toSorted().slice(1)).toEqual([
    'delete    "new.wav" 0 bytes',
    'overwrite "changed ä+?.wav" 12 bytes',
    'restore   "gone.wav" 9 bytes',
  ]);
  expect(await contents(media)).toEqual(before);
}, 180_000);

it('a restore beside leaves production alone, and one in place brings it back; the second time nothing is to be done', async () => {
  const before = await contents(media);
  const wanted = { 'gone.wav': 'gone then', 'changed ä+?.wav': 'changed then', 'same.wav': 'same' };
  expect((await rollback('--to', then, '--beside', 'small-beside')).code).toBe(0);
  const beside = openR2Bucket(config, 'small-beside');
  expect(await contents(beside)).toEqual(wanted);
  await beside.close();
  expect(await contents(media)).toEqual(before);
  const [first, second] = [await rollback('--to', then), await rollback('--to', then, '--json')];
  expect(first.code).toBe(0);
  expect(first.err).toContain('1 restored, 1 overwritten, 1 deleted, 1 unchanged');
  expect(await contents(media)).toEqual(wanted);
  expect((await media.head('gone.wav'))?.meta).toMatchObject(META);
  expect(JSON.parse(second.out)).toMatchObject({
    outcome: 'rolled-back',
    restored: 0,
    overwritten: 0,
    deleted: 0,
    failed: 0,
  });
}, 180_000);

it('reads the events that no process has read yet, so that what they tell of is not taken for never having been', async () => {
  const told = async (key: string, text: string): Promise<void> => {
    await put(media, key, text);
    const at = new Date().toISOString();
    await cloud.sendEvent({ id: text, type: 'put', key, size: text.length, etag: (await media.head(key))?.etag, at });
  };
  const { id: queue } = await providers.cloudflare.createQueue(config.environments.production.worker.eventsQueue);
  await providers.cloudflare.createPullConsumer(queue);
  await switched();
  await told('uploads/late.wav', 'first');
  const between = new Date().toISOString();
  await told('uploads/late.wav', 'second');
  const { code, err } = await rollback('--to', between);
  expect(await cloud.eventsWaiting()).toBe(0);
  expect(code).toBe(1);
  expect(err).toContain('not restored: "uploads/late.wav": this version was overwritten or deleted before it could');
  expect((await contents(media))['uploads/late.wav']).toBe('second');
  expect((await rollback('--to', then)).code).toBe(0);
}, 180_000);

it('a version that is missing is named, with exit code 1', async () => {
  const { backup } = providers;
  for await (const { key } of backup?.list('versions/gone.wav/') ?? []) await backup?.delete(key);
  await media.delete('gone.wav');
  const { code, err } = await rollback('--to', then);
  expect(code).toBe(1);
  expect(err).toMatch(/not restored: "gone\.wav": its version versions\/gone\.wav\/.* is missing in r2:small-backup/);
}, 180_000);

it.each([
  ['a time before the first backup', ['--to', '2001-01-01T00:00:00Z'], 'the first backup in small-backup is of 20'],
  [
    "the rollout's own bucket beside",
    ['--to', '2001-01-01T00:00:00Z', '--beside', 'small-backup'],
    "is the rollout's own",
  ],
])('%s is refused with exit code 2', async (_what, args, says) => {
  const { code, err } = await rollback(...args);
  expect(code).toBe(2);
  expect(err).toContain(says);
});

it.each([[[]], [['--dry-run']]])(
  'a time after the mirror has ended is refused with exit code 2 (%j)',
  async (how) => {
    const pool = new Pool({ connectionString: server.url('rollouts') });
    const journal = openJournal(pool, 'small-20260601-100000', (value) => value);
    const rested = { copied: 0, deleted: 0, kept: 0, unproven: 0, lagSeconds: 0 };
    await journal.append({ kind: 'mirror.rested', data: rested }, { phase: null });
    await pool.end();
    const { code, err } = await rollback('--to', new Date().toISOString(), ...how);
    expect(code).toBe(2);
    expect(err).toContain('the mirror keeps versions until the watch or a rollback is over, which was 20');
  },
  180_000,
);
