import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDatabaseServer } from '@crossfade/database-server';
import { heartbeat, startWorld, stopWorld } from '@crossfade/local-cloud';
import type { AudienceLoad } from '@crossfade/local-cloud/audience/load';
import type { World } from '@crossfade/local-cloud/world';
import { DEFAULT_CONFIG, loadConfig } from '@crossfade/crossfade/cli/load-config';
import { openController, type Controller } from '@crossfade/crossfade/engine/controller';
import { thisOperator } from '@crossfade/crossfade/engine/operator-session';
import { createSentinel } from '@crossfade/crossfade/monitor/sentinel';
import { publishFrontend } from '@crossfade/crossfade/phases/environment/frontend-step';
import { createProviders } from '@crossfade/crossfade/providers/create-providers';
import type { Providers } from '@crossfade/crossfade/providers/providers';
import { createAudienceControl } from '@crossfade/crossfade/rehearsal/audience-control';
import { createPlatformClock } from '@crossfade/crossfade/rehearsal/platform-clock';
import { TTL_SCALE } from '@crossfade/crossfade/rehearsal/rehearse';
import { managementOf, worldEnv } from '@crossfade/crossfade/rehearsal/world-env';
import type { RolloutConfig } from '@crossfade/crossfade/rollout/config';
import type { RolloutPlan } from '@crossfade/crossfade/rollout/plan';

const BEAT_MS = 15_000;

/** A world that is started once and lives through many rollouts. */
export interface Stand {
  readonly world: World;
  readonly config: RolloutConfig;
  readonly providers: Providers;
  readonly evidence: string;
  /** A rollout of its own, with a sentinel of its own. */
  open(rollout: string, plan: RolloutPlan): Promise<Controller>;
  close(): Promise<void>;
}

/** Starts the rehearsal's cloud, the engine's database and the providers, as `rehearse` does. */
export async function openStand(load: AudienceLoad, say: (line: string) => void, signal: AbortSignal): Promise<Stand> {
  const undo: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (let action = undo.pop(); action !== undefined; action = undo.pop()) await action();
  };
  try {
    const folder = await mkdtemp(join(tmpdir(), 'crossfade-bench-'));
    // As root, Postgres runs as a user of its own, who must be able to pass.
    await chmod(folder, 0o755);
    undo.push(() => rm(folder, { recursive: true, force: true }));
    const secret = randomBytes(24).toString('hex');
    undo.push(() => stopWorld(join(folder, 'world')));
    const world = await startWorld({ folder: join(folder, 'world'), ttlScale: TTL_SCALE, onProgress: say, signal });
    const beat = setInterval(() => {
      // One that is missed costs nothing: the world waits for ten minutes.
      heartbeat(world).catch(() => {});
    }, BEAT_MS);
    undo.push(async () => clearInterval(beat));
    const database = await startDatabaseServer({
      folder: join(folder, 'engine'),
      databases: ['crossfade'],
      password: secret,
    });
    undo.push(() => database.stop());
    const config = await loadConfig(DEFAULT_CONFIG, worldEnv(world, secret));
    const providers = createProviders(config, {
      clock: createPlatformClock(world.controlUrl),
      audience: createAudienceControl(world.controlUrl, load),
      supabaseManagement: managementOf(world),
    });
    undo.push(() => providers.close());
    await publishFrontend(config, providers, 'production', say, 'before');
    const evidence = join(folder, 'evidence');
    return {
      world,
      config,
      providers,
      evidence,
      open: (rollout, plan) =>
        openController({
          databaseUrl: database.url('crossfade'),
          rollout,
          operator: thisOperator('bench'),
          scenario: null,
          scale: 'as in a rehearsal',
          config,
          providers,
          plan,
          sentinel: createSentinel(),
          evidenceFolder: join(evidence, rollout),
          signal,
        }),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
