export type WriteKind = 'upload' | 'overwrite' | 'delete';
export type WriteCounts = Readonly<Record<'uploads' | 'overwrites' | 'deletes', number>>;

/** What may lie under a key after all that its uploader was told. */
export interface ToldKey {
  readonly key: string;
  /** SHA-256 (hex) of the bytes that may be there, `null` for nothing; more than one where an answer was lost. */
  readonly may: readonly (string | null)[];
  /** The last operation that succeeded. */
  readonly last: WriteKind | null;
  /** Who served that one. */
  readonly side: 'legacy' | 'edge' | null;
  /** Rises with each operation on the key. */
  readonly version: number;
}
export interface ToldWrite {
  readonly key: string;
  readonly kind: WriteKind;
  readonly side: 'legacy' | 'edge';
  readonly at: string;
  /** `unknown`: the answer was lost. */
  readonly outcome: 'succeeded' | 'unknown';
}

export interface AudienceStats {
  readonly requests: number;
  readonly failed: number;
  readonly longestGapMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** `planted`: the failed answer itself said that a rehearsal's scenario made it. */
  readonly reasons: readonly { reason: string; count: number; planted: boolean }[];
  /** The last whole seconds, oldest first. */
  readonly seconds: readonly { at: string; ok: number; failed: number; legacy: number; edge: number }[];
  readonly firstFailureAt: string | null;
  readonly lastFailureAt: string | null;
  /** Operations of uploaders that they were told succeeded, by who served them. */
  readonly written: Readonly<Record<'legacy' | 'edge', WriteCounts>>;
  /** From which all choices of a simulated audience followed; `null` for another. */
  readonly seed: number | null;
}
export interface AudienceProvider {
  start(): Promise<void>;
  stop(): Promise<void>;
  stats(): Promise<AudienceStats>;
  /** What the uploaders were told, to be compared byte by byte with what a store holds. */
  told(): Promise<{ readonly keys: readonly ToldKey[]; readonly writes: readonly ToldWrite[] }>;
}
