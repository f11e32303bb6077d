import type { Fault } from '@crossfade/local-cloud/faults';
import type { WriteRates } from '@crossfade/local-cloud/audience/load';
import type { WriteCounts } from '../providers/providers.ts';
import type { RolloutConfig } from '../rollout/config.ts';
import type { JournalEvent } from '../rollout/journal-event.ts';
import type { RolloutReport } from '../rollout/report-shapes.ts';

/** How a story must end. */
export interface Ending {
  readonly outcome: RolloutReport['outcome'];
  readonly exitCode: number;
  /** What the rollout must say was wrong, where it does not complete. */
  readonly reason?: RegExp;
  /** What must be found among the stage's notes: a story whose fault was never planted proves nothing. */
  readonly staged: readonly RegExp[];
  /** So many operations of uploaders, at least, must have succeeded against R2 before the rollback. */
  readonly sinceSwitch?: WriteCounts;
  /** Whether the scenario's own faults reach the audience. Failures that nobody planted are never expected. */
  readonly audienceFails: boolean;
}

/** A story that a rehearsal plays: what is planted, and how it must end. */
export interface Scenario {
  readonly name: string;
  readonly summary: string;
  readonly expected: Ending;
  /** Plants the scenario's fault in the config, e.g. another Worker. */
  readonly change?: (config: RolloutConfig) => RolloutConfig;
  /** Called with each event that the journal takes, one after the other, to plant a fault when the time has come. */
  readonly play?: (event: JournalEvent, stage: Stage) => Promise<void> | void;
  /** The controller is killed in it: somebody has to start it again. */
  readonly supervised?: boolean;
}

/** What a scenario can do to a rollout from outside. Everything is done once, and noted in the journal. */
export interface Stage {
  /** Ip addresses of the resolvers that the world has. */
  readonly resolvers: readonly string[];
  /** Plants a fault in the cloud. */
  plant(fault: Fault): Promise<void>;
  /** This share (0–1) of the reads fails in the version that serves production alone, whoever asks. */
  failReads(share: number, seconds: number): Promise<void>;
  /** From now on uploaders write so often beside the listeners. */
  write(rates: WriteRates): Promise<void>;
  /** What the uploaders were told succeeded at the edge so far. */
  written(): Promise<WriteCounts>;
  /** Takes so many objects out of production's bucket, behind the controller's back. */
  loseObjects(count: number): Promise<void>;
  /** An operator says that it is to end. */
  abort(as: string, note: string): Promise<void>;
  /** Another operator tries to drive the same rollout. */
  enterSecondOperator(name: string): Promise<void>;
  /** The controller dies as by `kill -9`. `where` tells one death from another. */
  kill(where: string): Promise<void>;
}
