import type { AppliedBatch } from './apply-events.ts';
import type { Refusal, Refusals } from './refusals.ts';
import type { SweepResult } from './sweep.ts';

/** What the mirror has done in this process, and how far it is behind. */
export interface MirrorState {
  /** Age of the oldest change that is not known to be in legacy, s; 0 when the queue is drained and the last sweep settled all. */
  readonly lagSeconds: number;
  /** Events whose effect was seen in legacy. */
  readonly applied: number;
  readonly copied: number;
  readonly deleted: number;
  /** Keys of which legacy has its own, by the last sweep. */
  readonly kept: number;
  /** Keys in legacy only of which nothing proves that R2's was deleted, by the last sweep. */
  readonly unproven: number;
  /** What legacy refuses for what it is: it stays in R2, and a rollback would lose it. */
  readonly refused: readonly Refusal[];
  /** Messages in the queue. */
  readonly waiting: number;
  /** Messages that were no events; each is kept. */
  readonly malformed: number;
  /** Keys that the last attempt could not bring in step, and why; the first ones. */
  readonly failing: readonly { readonly key: string; readonly reason: string }[];
  /** Why the queue or a listing could not be read at last; `null` when it could. */
  readonly error: string | null;
}

export interface MirrorTally {
  batch(result: AppliedBatch): void;
  swept(result: SweepResult): void;
  /** The queue, or a listing, could not be read. */
  broken(source: 'queue' | 'sweep', reason: string): void;
  state(now?: number): MirrorState;
}

const MOST_NAMED = 20;

/** @param startedAt epoch ms: nothing is known of what came before, until the queue was seen empty and a sweep was done */
export function createMirrorTally(startedAt: number, refusals: Pick<Refusals, 'all'>): MirrorTally {
  const counts = { applied: 0, copied: 0, deleted: 0, malformed: 0 };
  /** Message → when it was sent, of those that went back to the queue. */
  const back = new Map<string, { key: string; at: number; reason: string }>();
  let waiting = 0;
  let last: Pick<SweepResult, 'kept' | 'unproven' | 'failed'> = { kept: [], unproven: [], failed: [] };
  /** When it was last known that nothing waited in the queue, and that both sides were in step; epoch ms. */
  let [drainedAt, sweptAt] = [startedAt, startedAt];
  const broken = new Map<'queue' | 'sweep', string>();

  function lagMs(now: number): number {
    const behind: number[] = [0];
    for (const { at } of back.values()) behind.push(now - at);
    // What waits was sent after the queue was last seen empty, or this process has never seen it so.
    if (waiting > back.size || broken.has('queue')) behind.push(now - drainedAt);
    if (broken.has('sweep') || last.failed.length > 0) behind.push(now - sweptAt);
    return Math.max(...behind);
  }

  return {
    batch(result) {
      const now = Date.now();
      broken.delete('queue');
      counts.applied += result.acked - result.malformed;
      counts.malformed += result.malformed;
      counts.copied += result.settled.copied;
      counts.deleted += result.settled.deleted;
      for (const id of result.ackedIds) back.delete(id);
      for (const { id, key, at, reason } of result.failed) back.set(id, { key, at, reason });
      // The backlog was counted before the acknowledgement.
      waiting = Math.max(0, result.backlog - result.acked);
      if (result.pulled === 0 && result.backlog === 0) {
        // Given up by the queue itself, or acknowledged by another process: the sweep is to find them.
        back.clear();
        drainedAt = now;
      } else if (waiting === 0) drainedAt = now;
    },
    swept(result) {
      broken.delete('sweep');
      counts.copied += result.copied;
      counts.deleted += result.deleted;
      last = result;
      if (result.failed.length === 0) sweptAt = Date.now();
    },
    broken: (source, reason) => void broken.set(source, reason),
    state(now = Date.now()) {
      const failing = [...[...back.values()].map(({ key, reason }) => ({ key, reason })), ...last.failed];
      return {
        ...counts,
        lagSeconds: Math.round(lagMs(now)) / 1000,
        kept: last.kept.length,
        unproven: last.unproven.length,
        refused: refusals.all(),
        waiting,
        failing: failing.slice(0, MOST_NAMED),
        error: [...broken.values()].join('; ') || null,
      };
    },
  };
}
