import { join, resolve } from 'node:path';
import { Pool } from 'pg';
import { openController, type Controller } from '../engine/controller.ts';
import { LockedError, thisOperator } from '../engine/operator-session.ts';
import { createSentinel } from '../monitor/sentinel.ts';
import { createMirrorService } from '../phases/mirror/mirror-service.ts';
import { rolloutPlan } from '../phases/plan.ts';
import { createProviders } from '../providers/create-providers.ts';
import type { Providers } from '../providers/providers.ts';
import { audafactJourneys } from '../rehearsal/journeys.ts';
import { createPlatformClock } from '../rehearsal/platform-clock.ts';
import type { RolloutConfig } from '../rollout/config.ts';
import { currentRollout, newRolloutId } from '../rollout/current-rollout.ts';
import { createJournalTable } from '../rollout/journal.ts';
import type { RolloutPlan } from '../rollout/plan.ts';
import { readEnvironment } from './environment-file.ts';
import { EXIT } from './exit-codes.ts';
import { DEFAULT_CONFIG, loadConfig } from './load-config.ts';
import type { CommandFlags } from './main.ts';
import { openRolloutDatabase } from './rollout-database.ts';
import { UserError } from './user-error.ts';

/** A real rollout, taken by this process. */
export interface OpenRollout {
  readonly controller: Controller;
  readonly config: RolloutConfig;
  readonly rollout: string;
  /** The whole plan; the controller walks a part of it. */
  readonly whole: RolloutPlan;
  readonly archiveFolder: string;
  readonly evidenceFolder: string;
  close(): Promise<void>;
}

export interface Opening {
  readonly flags: CommandFlags;
  readonly command: string;
  /** The part of the whole plan that this command walks. */
  readonly part: (whole: RolloutPlan) => RolloutPlan;
  /** Whether a rollout is begun where none is under way; otherwise that is a mistake. */
  readonly begins: boolean;
  /** Another folder for the evidence than the rollout's own: from the checkout's folder of results and the id. */
  readonly evidence?: (root: string, rollout: string) => string;
  readonly signal: AbortSignal;
}

/** Config, providers and the environment that they were made from. */
export async function openProviders(flags: CommandFlags): Promise<{
  readonly env: Awaited<ReturnType<typeof readEnvironment>>;
  readonly config: RolloutConfig;
  readonly providers: Providers;
}> {
  const env = await readEnvironment(flags.env);
  const config = await loadConfig(flags.config ?? DEFAULT_CONFIG, env);
  const clockUrl = env['CROSSFADE_CLOCK_URL'];
  const providers = createProviders(config, clockUrl === undefined ? {} : { clock: createPlatformClock(clockUrl) });
  return { env, config, providers };
}

/** The id of the app's rollout that is under way; begun anew when `begins`. @throws UserError when there is none */
export async function whichRollout(databaseUrl: string, app: string, begins: boolean): Promise<string> {
  const pool = new Pool({ connectionString: databaseUrl, max: 1 });
  try {
    await createJournalTable(pool);
    const current = await currentRollout(pool, app);
    if (current !== null) return current;
    if (begins) return newRolloutId(app);
    throw new UserError(
      'CROSSFADE_NO_ROLLOUT',
      `no rollout of ${app} is under way`,
      'begin one: crossfade stage',
      EXIT.failed,
    );
  } finally {
    await pool.end();
  }
}

/**
 * Takes the app's rollout for this process.
 * @throws UserError when another process drives it, with who and where
 */
export async function openRollout(opening: Opening): Promise<OpenRollout> {
  const { flags, command } = opening;
  const undo: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (let action = undo.pop(); action !== undefined; action = undo.pop()) await action();
  };
  try {
    const { env, config, providers } = await openProviders(flags);
    undo.push(() => providers.close());
    const database = await openRolloutDatabase(env);
    undo.push(() => database.close());
    const rollout = await whichRollout(database.url, config.name, opening.begins);
    const { root, archives, evidence } = database.places;
    const archiveFolder = join(archives, rollout);
    const evidenceFolder = opening.evidence?.(root, rollout) ?? join(evidence, rollout);
    const whole = rolloutPlan(config, {
      places: { archive: archiveFolder, evidence: evidenceFolder },
      journeys: audafactJourneys(),
    });
    const controller = await openController({
      databaseUrl: database.url,
      rollout,
      operator: thisOperator(command, flags.as),
      scenario: null,
      scale: null,
      config,
      providers,
      plan: opening.part(whole),
      wholePlan: whole,
      sentinel: createSentinel(),
      mirror: createMirrorService(),
      evidenceFolder: resolve(evidenceFolder),
      signal: opening.signal,
    });
    undo.push(() => controller.close());
    return { controller, config, rollout, whole, archiveFolder, evidenceFolder, close };
  } catch (error) {
    await close();
    if (!(error instanceof LockedError)) throw error;
    throw new UserError(
      'CROSSFADE_LOCKED',
      error.message,
      'hold it, let it go on or abort it from here: crossfade hold | approve | abort',
      EXIT.failed,
    );
  }
}
