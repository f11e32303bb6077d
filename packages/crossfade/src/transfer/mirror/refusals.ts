/** An object that legacy will not take, whatever is tried: its key, its size, its type or its metadata. */
export interface Refusal {
  readonly key: string;
  readonly reason: string;
}

/**
 * What legacy refuses, each version once. Kept for as long as the mirror is open: another process, or a rollback, asks
 * legacy once more, since its limits may have been raised by then.
 */
export interface Refusals {
  /** Why legacy refused this very version; `null` when it was never asked. */
  reasonFor(key: string, etag: string): string | null;
  note(key: string, etag: string, reason: string): void;
  /** R2 holds another version by now, or none. */
  forget(key: string): void;
  all(): Refusal[];
  /** Legacy took the object, and not these of its headers. */
  noteDropped(key: string, headers: readonly string[]): void;
}

/** @param onNew told of each version once; @param onDropped of each header once, with the first object that lost it */
export function createRefusals(
  onNew: (refusal: Refusal) => void = () => {},
  onDropped: (header: string, key: string) => void = () => {},
): Refusals {
  const dropped = new Set<string>();
  const known = new Map<string, { etag: string; reason: string }>();
  return {
    reasonFor(key, etag) {
      const refusal = known.get(key);
      return refusal?.etag === etag ? refusal.reason : null;
    },
    note(key, etag, reason) {
      if (known.get(key)?.etag === etag) return;
      known.set(key, { etag, reason });
      onNew({ key, reason });
    },
    forget: (key) => void known.delete(key),
    noteDropped(key, headers) {
      for (const header of headers) {
        if (dropped.has(header)) continue;
        dropped.add(header);
        onDropped(header, key);
      }
    },
    all: () => [...known].map(([key, { reason }]) => ({ key, reason })),
  };
}
