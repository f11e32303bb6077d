import type { Count } from './burn-rate.ts';

/** Counts things as they end, to be asked later how many there were in the last so many ms. */
export interface Tally {
  /** `at` is when it ended, `startedAt` when it began (epoch ms); times of `at` come in order. */
  add(at: number, startedAt: number, failed: boolean): void;
  /** Of what ended after `since`. */
  count(since: number): Count;
  forget(): void;
}

interface Slot {
  readonly from: number;
  requests: number;
  failed: number;
  firstFailedAt: number | null;
}

/** Keeps `keepMs`, to the precision of `slotMs`: a day of reads is some thousand slots, not half a million reads. */
export function createTally(keepMs: number, slotMs: number): Tally {
  let slots: Slot[] = [];
  return {
    add(at, startedAt, failed) {
      const from = at - (at % slotMs);
      let slot = slots.at(-1);
      if (slot === undefined || slot.from !== from) {
        slot = { from, requests: 0, failed: 0, firstFailedAt: null };
        slots.push(slot);
        while ((slots[0]?.from ?? from) < from - keepMs) slots.shift();
      }
      slot.requests++;
      if (!failed) return;
      slot.failed++;
      slot.firstFailedAt = Math.min(startedAt, slot.firstFailedAt ?? startedAt);
    },
    count(since) {
      let requests = 0;
      let failed = 0;
      let firstFailedAt: number | null = null;
      for (let index = slots.length - 1; index >= 0; index--) {
        const slot = slots[index];
        // The slot that the window's edge cuts counts as a whole.
        if (slot === undefined || slot.from + slotMs <= since) break;
        requests += slot.requests;
        failed += slot.failed;
        if (slot.firstFailedAt !== null) firstFailedAt = Math.min(slot.firstFailedAt, firstFailedAt ?? Infinity);
      }
      return { requests, failed, firstFailedAt };
    },
    forget() {
      slots = [];
    },
  };
}
