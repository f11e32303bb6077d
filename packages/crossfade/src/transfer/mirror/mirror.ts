import { errorText } from '../../rollout/error-text.ts';
import { applyEvents, type AppliedBatch, type ApplyOptions } from './apply-events.ts';
import { createKeyTurns } from './key-turns.ts';
import { createRefusals, type Refusal } from './refusals.ts';
import { createMirrorTally, type MirrorState } from './mirror-tally.ts';
import { sweep, type SweepOptions, type SweepResult } from './sweep.ts';

export interface Mirror {
  /** Pulls and applies one batch. Throws what the queue answers; the lag tells of it. */
  applyBatch(): Promise<AppliedBatch>;
  /**
   * Applies batches until the queue is empty. It gives up on what failed several times in a row, and on a queue that
   * says that more waits and hands out nothing for `idleMs`. Throws what the queue answers, again and again.
   */
  drain(idleMs: number): Promise<void>;
  /** Compares all that both sides list. Throws what a listing answers; the lag tells of it. */
  sweep(options: Pick<SweepOptions, 'settledBefore' | 'onListed'>): Promise<SweepResult>;
  state(): MirrorState;
}

type Stores = Omit<ApplyOptions['stores'], 'refusals'>;

export type MirrorOptions = Omit<ApplyOptions, 'turns' | 'stores' | 'retryAtOnce'> & {
  /** Asked each time: when production began to write to R2 is not known from the start. */
  readonly stores: () => Promise<Stores>;
  /** Told once of each object that legacy refuses for what it is. */
  readonly onRefused?: ((refusal: Refusal) => void) | undefined;
  /** Told once of each header that legacy does not keep, with the first object that lost it. */
  readonly onDropped?: ((header: string, key: string) => void) | undefined;
};

const DRAIN_PAUSE_MS = 200;
/** The queue is asked again so often when it does not answer, and a key that fails is tried so often. */
const DRAIN_FAILURES = 3;

/** Keeps legacy in step with R2, by events and by sweeps. What both do on one key comes one after the other. */
export function createMirror(options: MirrorOptions): Mirror {
  const turns = createKeyTurns();
  const refusals = createRefusals(options.onRefused, options.onDropped);
  const tally = createMirrorTally(Date.now(), refusals);
  const stores = async (): Promise<ApplyOptions['stores']> => ({ ...(await options.stores()), refusals });

  async function apply(retryAtOnce: boolean): Promise<AppliedBatch> {
    try {
      const result = await applyEvents({ ...options, stores: await stores(), turns, retryAtOnce });
      tally.batch(result);
      return result;
    } catch (error) {
      tally.broken('queue', errorText(error));
      throw error;
    }
  }

  return {
    applyBatch: () => apply(false),
    state: () => tally.state(),
    async drain(idleMs) {
      let movedAt = performance.now();
      let failures = 0;
      for (;;) {
        const batch = await apply(true).catch((error: unknown) => {
          if (failures + 1 >= DRAIN_FAILURES) throw error;
          return null;
        });
        if (batch !== null && batch.backlog <= batch.acked) return;
        if (batch !== null && batch.acked > 0) {
          [movedAt, failures] = [performance.now(), 0];
          continue;
        }
        if (batch === null || batch.failed.length > 0) failures++;
        if (failures >= DRAIN_FAILURES || (batch !== null && performance.now() - movedAt > idleMs)) return;
        // What another process has leased comes when its lease ends; nothing tells of that.
        await new Promise((resolve) => setTimeout(resolve, DRAIN_PAUSE_MS));
      }
    },
    async sweep(how) {
      try {
        const { seen, concurrency } = options;
        const result = await sweep({ stores: await stores(), seen, turns, concurrency, ...how });
        tally.swept(result);
        return result;
      } catch (error) {
        tally.broken('sweep', errorText(error));
        throw error;
      }
    },
  };
}
