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
}

/** @param onNew told of each version once */
export function createRefusals(onNew: (refusal: Refusal) => void = () => {}): Refusals {
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
    all: () => [...known].map(([key, { reason }]) => ({ key, reason })),
  };
}
