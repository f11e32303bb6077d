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
import { createMirrorService } from '@crossfade/crossfade/phases/mirror/mirror-service';
import { rolloutPlan } from '@crossfade/crossfade/phases/plan';
import { publishFrontend } from '@crossfade/crossfade/phases/environment/frontend-step';
import { createProviders } from '@crossfade/crossfade/providers/create-providers';
import type { Providers } from '@crossfade/crossfade/providers/providers';
import { createAudienceControl } from '@crossfade/crossfade/rehearsal/audience-control';
import { audafactJourneys } from '@crossfade/crossfade/rehearsal/journeys';
import { withOperator } from '@crossfade/crossfade/rehearsal/operator';
import { createPlatformClock } from '@crossfade/crossfade/rehearsal/platform-clock';
import { TTL_SCALE } from '@crossfade/crossfade/rehearsal/rehearse';
import { worldEnv } from '@crossfade/crossfade/rehearsal/world-env';
import type { RolloutConfig } from '@crossfade/crossfade/rollout/config';
import type { Phase, RolloutPlan } from '@crossfade/crossfade/rollout/plan';

const BEAT_MS = 15_000;

/** A world that is started once and lives through many rollouts. */
export interface Stand {
  readonly world: World;
  readonly providers: Providers;
  /**
   * From the cutover to the watch of production, to be played again and again once it is prepared: the gates are left
   * out, since they ask for what only the first rollout's journal holds.
   */
  readonly again: RolloutPlan;
  /** Staging and preparation are proven once, as in a rehearsal. */
  prepare(): Promise<void>;
  /** A rollout of its own, with a sentinel and a mirror of its own. */
  open(rollout: string, plan: RolloutPlan, scenario?: string): Promise<Controller>;
  close(): Promise<void>;
}

export interface StandOptions {
  /** Asked for each time the audience starts. */
  readonly load: () => AudienceLoad;
  /** Changes the config, as a scenario does. */
  readonly change?: (config: RolloutConfig) => RolloutConfig;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Starts the rehearsal's cloud, the engine's database and the providers, as `rehearse` does. */
export async function openStand({ load, change, say, signal }: StandOptions): Promise<Stand> {
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
    const loaded = await loadConfig(DEFAULT_CONFIG, worldEnv(world, secret));
    const config = change?.(loaded) ?? loaded;
    const providers = createProviders(config, {
      clock: createPlatformClock(world.controlUrl),
      audience: createAudienceControl(world.controlUrl, load),
    });
    undo.push(() => providers.close());
    await publishFrontend(config, providers, 'production', say, 'before');
    const evidence = join(folder, 'evidence');
    const plan = withOperator(
      config,
      rolloutPlan(config, {
        places: { archive: join(evidence, 'archive'), evidence },
        journeys: audafactJourneys(),
      }),
    );
    const open: Stand['open'] = (rollout, ofPlan, scenario) =>
      openController({
        databaseUrl: database.url('crossfade'),
        rollout,
        operator: thisOperator('bench'),
        scenario: scenario ?? null,
        scale: 'as in a rehearsal',
        config,
        providers,
        plan: ofPlan,
        sentinel: createSentinel(),
        mirror: createMirrorService(),
        evidenceFolder: join(evidence, rollout),
        signal,
      });
    return {
      world,
      providers,
      again: part(plan, ['cutover.worker', 'cutover.dns', 'cutover.monitor'], (phase) => ({ ...phase, gate: [] })),
      async prepare() {
        const controller = await open('prepared', part(plan, ['staging', 'preparation']));
        try {
          const { outcome, reason } = await controller.run();
          if (outcome !== 'completed') throw new Error(`the preparation ended ${outcome}: ${reason}`);
        } finally {
          await controller.close();
        }
      },
      open,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function part({ phases, rollbacks }: RolloutPlan, ids: readonly Phase['id'][], change = (phase: Phase) => phase) {
  return { phases: phases.filter((phase) => ids.includes(phase.id)).map(change), rollbacks };
}
