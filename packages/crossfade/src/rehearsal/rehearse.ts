import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { findDatabaseServer, startDatabaseServer, type DatabaseServer } from '@crossfade/database-server';
import { attachWorld, heartbeat, startWorld, stopWorld } from '@crossfade/local-cloud';
import type { AudienceLoad } from '@crossfade/local-cloud/audience/load';
import type { World } from '@crossfade/local-cloud/world';
import type { RolloutConfig } from '../rollout/config.ts';
import { thisOperator } from '../engine/operator-session.ts';
import { openController, type Controller, type ControllerOptions } from '../engine/controller.ts';
import type { WalkOutcome } from '../engine/walk.ts';
import { createSentinel } from '../monitor/sentinel.ts';
import { createMirrorService } from '../phases/mirror/mirror-service.ts';
import { rolloutPlan } from '../phases/plan.ts';
import { createProviders } from '../providers/create-providers.ts';
import { newRolloutId } from '../rollout/current-rollout.ts';
import type { Check } from '../rollout/plan.ts';
import { createAudienceControl } from './audience-control.ts';
import { withAudience } from './audience-steps.ts';
import { deployedFrontend, publishFrontend } from '../phases/environment/frontend-step.ts';
import { createPlatformClock } from './platform-clock.ts';
import { withOperator } from './operator.ts';
import type { Places } from './places.ts';
import { playOut } from './play-out.ts';
import { createStage } from './stage.ts';
import { readRunState, writeRunState, type RunState } from './run-state.ts';
import type { Scenario } from './scenario.ts';
import { worldEnv } from './world-env.ts';
import type { Env } from '../rollout/config.ts';

/** TTLs run out 60 times as fast: 5 minutes in 5 seconds. */
export const TTL_SCALE = 60;
const HEARTBEAT_EVERY_MS = 15_000;

export interface RehearsalOptions {
  readonly scenario: Scenario;
  readonly resume: boolean;
  readonly audienceLoad: AudienceLoad;
  readonly places: Places;
  readonly loadConfig: (env: Env) => Promise<RolloutConfig>;
  readonly journeys: readonly Check[];
  /** What is being done, for a person who waits. */
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface Rehearsal {
  readonly controller: Controller;
  readonly state: RunState;
  readonly config: RolloutConfig;
  /** Plays the scenario to its end; the audience and the samples stop with it. */
  run(): Promise<WalkOutcome>;
  /** Ends everything that the rehearsal started, in reverse. Safe to call at any time, and twice. */
  close(): Promise<void>;
}

/** Starts (or finds again) the local cloud, the engine's database and the providers, and stands ready to run. */
export async function openRehearsal(options: RehearsalOptions): Promise<Rehearsal> {
  const { places, say, scenario } = options;
  const undo: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    const failures: unknown[] = [];
    // One that fails must not keep the others running.
    for (let action = undo.pop(); action !== undefined; action = undo.pop()) {
      await action().catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  };
  try {
    const state = await begin(options);
    undo.push(() => stopWorld(places.world));
    const world = await openWorld(options);
    const beat = setInterval(() => void heartbeat(world).catch(() => {}), HEARTBEAT_EVERY_MS);
    undo.push(async () => clearInterval(beat));
    options.signal.throwIfAborted();

    say("the engine's database …");
    const database: DatabaseServer = await startDatabaseServer({
      folder: places.engine,
      databases: ['crossfade'],
      password: state.signingSecret,
    });
    undo.push(() => database.stop());
    options.signal.throwIfAborted();

    const loaded = await options.loadConfig(worldEnv(world, state.signingSecret));
    const config = scenario.change?.(loaded) ?? loaded;
    const providers = createProviders(config, {
      clock: createPlatformClock(world.controlUrl),
      audience: createAudienceControl(world.controlUrl, () => options.audienceLoad),
    });
    undo.push(() => providers.close());
    // Production's front end is the app's own release, which this rollout finds in place.
    if ((await deployedFrontend(config, providers, 'production')) === null)
      await publishFrontend(config, providers, 'production', say, 'before');
    const evidenceFolder = join(places.evidence, state.rollout);
    const sentinel = createSentinel();
    const driven: ControllerOptions = {
      databaseUrl: database.url('crossfade'),
      rollout: state.rollout,
      operator: thisOperator('rehearse'),
      scenario: scenario.name,
      scale: describeScale(config),
      config,
      providers,
      plan: withAudience(
        withOperator(
          config,
          rolloutPlan(config, {
            places: { archive: join(places.archives, state.rollout), evidence: evidenceFolder },
            journeys: options.journeys,
          }),
        ),
        providers,
      ),
      sentinel,
      mirror: createMirrorService(),
      evidenceFolder,
      signal: options.signal,
    };
    const controller = await openController(driven);
    undo.push(() => controller.close());
    const stage = createStage({
      controller,
      controlUrl: world.controlUrl,
      openAnother: async (name) => {
        await (await openController({ ...driven, operator: thisOperator('rehearse', name) })).close();
      },
    });
    return {
      controller,
      state,
      config,
      close,
      async run() {
        const outcome = await playOut({
          controller,
          scenario,
          stage,
          providers,
          undo: (action) => void undo.push(action),
        });
        await writeRunState(places.state, { ...state, finished: true });
        return outcome;
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function begin({ resume, places, scenario, say }: RehearsalOptions): Promise<RunState> {
  const earlier = await readRunState(places.state);
  if (resume) {
    if (earlier === null) throw new Error('there is no rehearsal to resume');
    const state = { ...earlier, pid: process.pid };
    await writeRunState(places.state, state);
    return state;
  }
  if (earlier !== null && !earlier.finished) say('clearing away what an earlier rehearsal left …');
  await clear(places);
  const state = {
    rollout: newRolloutId('audafact'),
    scenario: scenario.name,
    startedAt: new Date().toISOString(),
    pid: process.pid,
    signingSecret: randomBytes(24).toString('hex'),
    finished: false,
  };
  await writeRunState(places.state, state);
  return state;
}

/** Stops what still runs in the places of an earlier rehearsal, then removes its files. Archives and evidence stay. */
async function clear(places: Places): Promise<void> {
  await stopWorld(places.world);
  await stopDatabase(places.engine);
  for (const folder of [places.world, places.engine]) await rm(folder, { recursive: true, force: true });
  await mkdir(places.root, { recursive: true });
}

async function stopDatabase(folder: string): Promise<void> {
  await (await findDatabaseServer(folder))?.stop();
}

async function openWorld({ resume, places, say, signal }: RehearsalOptions): Promise<World> {
  if (resume) {
    const attached = await attachWorld(places.world);
    if (attached === null) throw new Error('the local cloud of that rehearsal runs no more');
    say('the local cloud still runs: attached');
    return attached;
  }
  return startWorld({ folder: places.world, ttlScale: TTL_SCALE, onProgress: say, signal });
}

const minutes = (ms: number): string =>
  ms >= 3600_000 ? `${ms / 3600_000} h` : ms >= 60_000 ? `${ms / 60_000} min` : `${ms / 1000} s`;

function describeScale(config: RolloutConfig): string {
  const lines = Object.entries(config.durations).map(
    ([name, { plannedMs, deadlineMs }]) => `${name} ${minutes(plannedMs)} → ${minutes(deadlineMs)}`,
  );
  return `${lines.join(', ')}; DNS TTLs run ${config.dns.ttlScale} times as fast, the drill's waits ${config.team.drillScale} times`;
}
