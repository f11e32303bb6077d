import { randomUUID } from 'node:crypto';
import type { ObjectStore } from '../../providers/providers.ts';

/** A store that somebody opened and closes again. */
export type OpenedStore = ObjectStore & {
  /** Endpoint, bucket and prefix, where the store has such. */
  readonly address?: string;
  close(): Promise<void>;
};

/** Opens a location by its name with this machine's own config and credentials: neither is ever in the database. */
export type OpenStore = (location: string, use: 'read' | 'write') => OpenedStore | Promise<OpenedStore>;

/** What a transfer is, as every machine reads it from the database. Two with the same of it are the same transfer. */
export interface TransferOptions {
  /** Read every object on both sides when it is verified. */
  readonly deep: boolean;
  /** Patterns of keys, for whoever makes the filter; all when empty. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Only keys that begin with it, below the location. */
  readonly prefix: string;
  /**
   * Where the two names lead on the machine that began it, as endpoint, bucket and prefix. Two stores of one name are
   * two transfers. Empty where nobody said.
   */
  readonly places: readonly string[];
  /** Ranges that the keys are cut into at first, and what a range may hold at most; larger ones are split. */
  readonly partitions: number;
  readonly mostObjects: number;
  readonly mostBytes: number;
}

const GIB = 1024 ** 3;

export const TRANSFER_DEFAULTS: TransferOptions = {
  deep: false,
  include: [],
  exclude: [],
  prefix: '',
  places: [],
  partitions: 64,
  mostObjects: 20_000,
  mostBytes: 16 * GIB,
};

/** Which keys a transfer's patterns let through. */
export type KeyFilter = (options: TransferOptions) => ((key: string) => boolean) | undefined;

export interface SharedTransfer {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly options: TransferOptions;
  readonly planned: boolean;
}

export interface FailedObject {
  /** `null` where it was the range as a whole. */
  readonly key: string | null;
  readonly reason: string;
}

/**
 * What one range came to. Lists hold the first hundred. `objects` and `gone` are what was listed; it is the sum of
 * `verified`, `gone` and those of `failed` that are objects.
 */
export interface PartitionResult {
  /** Objects of the source and their bytes, and those of them that the target was proven to hold. */
  readonly objects: number;
  readonly bytes: number;
  readonly verified: number;
  /** Deleted in the source after they were listed. */
  readonly gone: number;
  readonly copied: number;
  readonly copiedBytes: number;
  /** In the target only. */
  readonly extra: number;
  /** Objects, or 1 for a range that could not be listed. */
  readonly failed: number;
  /** 1 for a range that could not be listed: nothing is known of its objects. */
  readonly unlisted: number;
  readonly failures: readonly FailedObject[];
}

export const newTransferId = (): string => `transfer-${randomUUID().slice(0, 8)}`;
