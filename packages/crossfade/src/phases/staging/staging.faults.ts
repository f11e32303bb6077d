import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { randomBytes } from 'node:crypto';
import { startWorld, stopWorld } from '@crossfade/local-cloud';
import type { World } from '@crossfade/local-cloud/world';
import { STUDIO_FAULTS } from '@crossfade/audafact/studio-faults';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_CONFIG, loadConfig } from '../../cli/load-config.ts';
import { createDryRun } from '../../providers/dry-run.ts';
import type { PlannedCall } from '../../providers/planned-call.ts';
import { createProviders } from '../../providers/create-providers.ts';
import type { Providers } from '../../providers/providers.ts';
import { audafactJourneys } from '../../rehearsal/journeys.ts';
import { createPlatformClock } from '../../rehearsal/platform-clock.ts';
import { worldEnv } from '../../rehearsal/world-env.ts';
import type { RolloutConfig } from '../../rollout/config.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { Check, Part } from '../../rollout/plan.ts';
import { publishFrontend } from '../environment/frontend-step.ts';
import { STAGING_CLAIMS } from '../preparation/readiness-checks.ts';
import { stagingSteps, stagingValidation } from './staging-phase.ts';

/*
 * The mutation test of staging: for each of the fifteen promises one fault is planted in the Worker, the bucket or the
 * studio, and exactly that promise must turn false. The cloud is the rehearsal's; it and staging are made once.
 */
let folder: string;
let world: World;
let config: RolloutConfig;
let providers: Providers;
let planned: readonly PlannedCall[];
/** What the cloud saw while staging was made. */
let made: Call[];
let run = 0;

function contextOf(changed: RolloutConfig = config, using: Providers = providers): RolloutContext {
  const place = async (path: string): Promise<string> => {
    const target = join(folder, 'evidence', String(run), path);
    await mkdir(dirname(target), { recursive: true });
    return target;
  };
  return {
    rollout: `faults-${++run}`,
    config: changed,
    providers: using,
    signal: new AbortController().signal,
    history: async () => [],
    record: async () => '',
    async keep(path, content) {
      await writeFile(await place(path), content);
      return path;
    },
    placeFor: place,
  };
}

async function makeStaging(context: RolloutContext): Promise<void> {
  for (const step of stagingSteps()) await step.run(context, await step.look(context));
}

interface Call {
  readonly method: string;
  readonly path: string;
  readonly status: number;
}

/** Calls that changed something, or tried to. */
const calls = async (): Promise<Call[]> => (await (await fetch(`${world.controlUrl}/calls`)).json()) as Call[];

/** Claims that do not hold, with what was said of them. */
async function measure(): Promise<Record<string, string>> {
  const context = contextOf();
  const broken: Record<string, string> = {};
  const judge = async (check: Check): Promise<void> => {
    const verdict = await check.run(context).catch((error: unknown) => ({ status: 'fail', summary: String(error) }));
    if (verdict.status !== 'pass') for (const claim of check.proves) broken[claim] = verdict.summary;
  };
  const parts: readonly Part[] = stagingValidation(audafactJourneys(), false);
  for (const part of parts) if (part.kind === 'checks') await Promise.all(part.checks.map(judge));
  return broken;
}

/** A source file for the Worker with one fault, beside the scenarios so that its imports resolve. */
async function faultyEntry(fault: string): Promise<string> {
  const file = join(folder, `${fault}.ts`);
  const faulty = resolve('rollouts/audafact/faults/faulty-worker.ts');
  await writeFile(
    file,
    `import { faultyWorker } from ${JSON.stringify(faulty)};\nexport default faultyWorker('${fault}');\n`,
  );
  return file;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'crossfade-faults-'));
  // As root, the database's own user has to pass through it.
  await chmod(folder, 0o711);
  world = await startWorld({
    folder: join(folder, 'world'),
    ttlScale: 60,
    onProgress: () => {},
    signal: new AbortController().signal,
  });
  config = await loadConfig(DEFAULT_CONFIG, worldEnv(world, randomBytes(24).toString('hex')));
  providers = createProviders(config, { clock: createPlatformClock(world.controlUrl) });
  const dry = createDryRun(providers, config);
  await makeStaging(contextOf(config, dry.providers));
  planned = dry.calls;
  // The world made its zone itself before.
  const before = (await calls()).length;
  await makeStaging(contextOf());
  made = (await calls()).slice(before);
});
afterAll(async () => {
  await providers?.close();
  if (world !== undefined) await stopWorld(join(folder, 'world'));
  await rm(folder, { recursive: true, force: true });
});

describe('making staging', () => {
  it('makes exactly the calls that the dry run printed, in their order', async () => {
    // An upload of a version is refused until its script exists.
    const rollout = made.filter((call) => call.status < 400);
    const short = (path: string): string =>
      path.replace(/^\/client\/v4/, '').replace(/\/queues\/[^/]+\/consumers$/, '/queues/(queue)/consumers');
    const expected = planned.filter((call) => call.method !== 'RUN' && call.method !== 'SQL');
    expect(rollout.map((call) => `${call.method} ${short(call.path)}`)).toEqual(
      expected.map((call) => `${call.method} ${short(call.path)}`),
    );
  });

  it('gives the database what it lacks', async () => {
    const { staging } = providers.database;
    await staging.query('drop index uploads_file_key');
    const dry = createDryRun(providers, config);
    await makeStaging(contextOf(config, dry.providers));
    expect(dry.calls.map((call) => `${call.method} ${call.path.split(' ').slice(0, 3).join(' ')}`)).toEqual([
      // An unfinished one is cleared away first; the last one writes it into the books.
      'SQL drop index concurrently',
      'SQL -- crossfade: no',
      'SQL set local lock_timeout',
    ]);
    await makeStaging(contextOf());
    expect(await staging.query(`select 1 from pg_indexes where indexname = 'uploads_file_key'`)).toHaveLength(1);
  });

  it('again makes no call at all', async () => {
    const before = (await calls()).length;
    await makeStaging(contextOf());
    expect(await calls()).toHaveLength(before);
  });

  it('corrects what somebody changed, and nothing else', async () => {
    const { bucket } = config.environments.staging.worker;
    await providers.cloudflare.putCors(bucket, []);
    const [record] = await providers.cloudflare.listDnsRecords('staging.media.audafact.com');
    await providers.cloudflare.patchDnsRecord(record?.id ?? '', { content: '192.0.2.9' });
    const dry = createDryRun(providers, config);
    await makeStaging(contextOf(config, dry.providers));
    expect(dry.calls.map((call) => `${call.method} ${call.path.split('/').at(-1)}`)).toEqual([
      'PUT cors',
      `PATCH ${record?.id}`,
    ]);
    await makeStaging(contextOf());
    expect(await providers.cloudflare.getCors(bucket)).not.toEqual([]);
  });
});

describe('the fifteen promises of staging', () => {
  it('all hold when nothing is wrong', async () => {
    expect(await measure()).toEqual({});
  });

  const inWorker = [
    'endpoints',
    'auth',
    'rateLimiting',
    'quotas',
    'uploads',
    'previews',
    'deletions',
    'responseTime',
    'throughput',
    'errorRate',
  ];
  const claimOf = (name: string): string => STAGING_CLAIMS.find((claim) => claim.endsWith(`.${name}`)) ?? name;

  it.each(inWorker)('%s alone breaks by a fault of the Worker', async (fault) => {
    await makeStaging(contextOf({ ...config, worker: { ...config.worker, entry: await faultyEntry(fault) } }));
    try {
      const broken = await measure();
      expect(Object.keys(broken), JSON.stringify(broken)).toEqual([claimOf(fault)]);
    } finally {
      await makeStaging(contextOf());
    }
  });

  it('lifecycle alone breaks by a rule that somebody switched off in the bucket', async () => {
    const { bucket } = config.environments.staging.worker;
    const rules = await providers.cloudflare.getLifecycle(bucket);
    await providers.cloudflare.putLifecycle(
      bucket,
      rules.map((rule) => (rule.deleteObjectsTransition === undefined ? rule : { ...rule, enabled: false })),
    );
    try {
      expect(Object.keys(await measure())).toEqual([claimOf('lifecycle')]);
    } finally {
      await makeStaging(contextOf());
    }
  });

  it.each(Object.keys(STUDIO_FAULTS))('%s alone breaks by a fault of the studio', async (fault) => {
    const { origin, publishCommand } = config.environments.staging.frontend;
    const broken = join(folder, `studio-${fault}`);
    await cp(resolve('apps/studio/dist'), broken, { recursive: true });
    const page = await readFile(join(broken, 'index.html'), 'utf8');
    await writeFile(
      join(broken, 'index.html'),
      page.replace('<head>', `<head><script>${STUDIO_FAULTS[fault]}</script>`),
    );
    const deployed = await providers.http.request(`${origin}/config.json`);
    const told = JSON.parse(deployed.body.toString('utf8')) as Record<string, unknown>;
    await writeFile(join(broken, 'config.json'), JSON.stringify({ ...told, build: fault }));
    await providers.frontend.publish(publishCommand, broken);
    try {
      const found = await measure();
      expect(Object.keys(found), JSON.stringify(found)).toEqual([claimOf(fault)]);
    } finally {
      await publishFrontend(config, providers, 'staging');
    }
  });
});
