import type { EdgeRequest, R2Operation } from './runtime-contract.ts';

const KEPT = 200_000;

/** The last entries, oldest first; older ones are forgotten in lumps, so that adding one stays cheap. */
export function createLog<Entry extends EdgeRequest | R2Operation>(): {
  add(entry: Entry): void;
  between(since: number, until: number): Entry[];
} {
  const entries: Entry[] = [];
  return {
    add(entry) {
      entries.push(entry);
      if (entries.length > KEPT * 1.25) entries.splice(0, entries.length - KEPT);
    },
    between(since, until) {
      // Entries come nearly in order of time, so the search begins at the newest.
      const found: Entry[] = [];
      for (let index = entries.length - 1; index >= 0; index--) {
        const entry = entries[index];
        if (entry === undefined || entry.at < since - 60_000) break;
        if (entry.at >= since && entry.at <= until) found.push(entry);
      }
      return found.toReversed();
    },
  };
}
