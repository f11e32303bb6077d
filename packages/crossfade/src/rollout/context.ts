import type { JournalEntry, JournalEvent } from './journal-event.ts';
import type { RolloutConfig } from './config.ts';
import type { Providers } from '../providers/providers.ts';

/** What every check and step is handed: the config, the providers behind interfaces, the journal, a folder for evidence. */
export interface RolloutContext {
  readonly rollout: string;
  readonly config: RolloutConfig;
  readonly providers: Providers;
  /** Appends to the journal; redacted at that one door. `key` makes it idempotent: the same key is written once. */
  record(entry: JournalEntry & { subject?: string; key?: string }): Promise<string>;
  /** Keeps a file as evidence (a path relative to the evidence folder) and answers with that path. */
  keep(path: string, content: string | Uint8Array): Promise<string>;
  /** As `keep`, for what is too long to be held: answers with the absolute path to write to. */
  placeFor(path: string): Promise<string>;
  /** Every event so far, oldest first: what gates compute their verdicts from. */
  history(): Promise<readonly JournalEvent[]>;
  /** Fires when the work should stop early: trouble was seen, or the operator interrupts. */
  readonly signal: AbortSignal;
}
