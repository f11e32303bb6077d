import { DBOS } from '@dbos-inc/dbos-sdk';
import type { Durable } from './durable.ts';
import type { WalkOutcome } from './walk.ts';

export interface DurableRun {
  /** Postgres that keeps the checkpoints. */
  readonly databaseUrl: string;
  /** The rollout's id; the same id again goes on where it stopped. */
  readonly rollout: string;
  readonly work: (durable: Durable) => Promise<WalkOutcome>;
}

/**
 * DBOS recovers the workflows of the same executor and application version. Both are fixed here: one controller
 * drives a rollout, and a newer build of Crossfade must be able to finish what an older one began.
 */
const EXECUTOR = 'controller';
const APPLICATION_VERSION = 'crossfade-1';

let current: DurableRun | undefined;

const durable: Durable = { step: (name, work) => DBOS.runStep(work, { name }) };

const rolloutWorkflow = DBOS.registerWorkflow(
  async (rollout: string): Promise<WalkOutcome> => {
    if (current === undefined || current.rollout !== rollout) {
      throw new Error(`this process does not drive the rollout ${rollout}`);
    }
    return current.work(durable);
  },
  { name: 'rollout' },
);

/** Runs the rollout, or goes on with it, to its outcome. One at a time in a process. */
export async function runDurably(run: DurableRun): Promise<WalkOutcome> {
  current = run;
  DBOS.setConfig({
    name: 'crossfade',
    systemDatabaseUrl: run.databaseUrl,
    executorID: EXECUTOR,
    applicationVersion: APPLICATION_VERSION,
    logLevel: 'error',
    runAdminServer: false,
  });
  await DBOS.launch();
  try {
    const handle = await DBOS.startWorkflow(rolloutWorkflow, { workflowID: run.rollout })(run.rollout);
    return await handle.getResult();
  } finally {
    await DBOS.shutdown();
    current = undefined;
  }
}
