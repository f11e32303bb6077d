import { DBOS } from '@dbos-inc/dbos-sdk';
import type { Durable } from './durable.ts';
import type { WalkOutcome } from './walk.ts';

export interface DurableRun {
  /** Postgres that keeps the checkpoints. */
  readonly databaseUrl: string;
  /** Which part of which rollout; the same id again goes on where it stopped. */
  readonly run: string;
  readonly work: (durable: Durable) => Promise<WalkOutcome>;
  /** Fires when the operator interrupts: what is under way is left as a `kill -9` would leave it, to be resumed. */
  readonly signal: AbortSignal;
}

/**
 * DBOS recovers the workflows of the same executor, by way of a queue that every process of the same application version
 * reads. The run is both here, so that no other rollout in the same database is touched; it is no build's version, since
 * a newer build of Crossfade must be able to finish what an older one began.
 */
const versionOf = (run: string): string => `crossfade-1 ${run}`;

let current: DurableRun | undefined;

/** Never resolves. */
const forever = new Promise<never>(() => {});

/** An interrupted step has no answer: whatever its work came to, it is not recorded, so the next life runs it again. */
function durableUntil(signal: AbortSignal): Durable {
  return {
    step: (name, work) =>
      DBOS.runStep(
        async () => {
          try {
            const answer = await work();
            return signal.aborted ? await forever : answer;
          } catch (error) {
            if (signal.aborted) return forever;
            throw error;
          }
        },
        { name },
      ),
  };
}

const rolloutWorkflow = DBOS.registerWorkflow(
  async (run: string): Promise<WalkOutcome> => {
    if (current === undefined || current.run !== run) {
      throw new Error(`this process does not drive ${run}`);
    }
    return current.work(durableUntil(current.signal));
  },
  { name: 'rollout' },
);

/**
 * Runs the rollout, or goes on with it, to its outcome. One at a time in a process.
 * @throws the signal's reason when it fires first.
 */
export async function runDurably(run: DurableRun): Promise<WalkOutcome> {
  current = run;
  DBOS.setConfig({
    name: 'crossfade',
    systemDatabaseUrl: run.databaseUrl,
    executorID: run.run,
    applicationVersion: versionOf(run.run),
    logLevel: 'error',
    runAdminServer: false,
  });
  const interrupted = new Promise<never>((_resolve, reject) => {
    if (run.signal.aborted) reject(run.signal.reason);
    run.signal.addEventListener('abort', () => reject(run.signal.reason), { once: true });
  });
  // It is raced below; until then nobody listens, and that is no error.
  interrupted.catch(() => {});
  await DBOS.launch();
  try {
    run.signal.throwIfAborted();
    const handle = await DBOS.startWorkflow(rolloutWorkflow, { workflowID: run.run })(run.run);
    return await Promise.race([handle.getResult(), interrupted]);
  } finally {
    await DBOS.shutdown();
    current = undefined;
  }
}
