import { setTimeout as wait } from 'node:timers/promises';
import { Pool } from 'pg';
import { ProviderError } from '../../providers/provider-error.ts';
import type { Account } from '../account.ts';
import { createTransferTables } from './shared-tables.ts';
import type { WrittenManifest } from '../manifest.ts';
import { writeManifest } from './shared-manifest.ts';
import { readProgress, type SharedProgress } from './shared-progress.ts';
import {
  TRANSFER_DEFAULTS,
  type FailedObject,
  type KeyFilter,
  type OpenStore,
  type TransferOptions,
} from './shared-transfer.ts';
import { beginTransfer, endTransfer, findTransfer, readResults } from './transfers.ts';
import { runWorker } from './worker.ts';
import type { Concurrency } from '../pace.ts';

export interface SharedCopyOptions {
  /** Postgres that all workers share. */
  readonly databaseUrl: string;
  /** Names of locations, as every worker's config knows them. */
  readonly from: string;
  readonly to: string;
  readonly options?: Partial<TransferOptions>;
  readonly openStore: OpenStore;
  readonly filter?: KeyFilter;
  /** Objects on their way at once, for this process's own part in it. */
  readonly concurrency: Concurrency;
  /** Whether this process copies too; otherwise it only waits for the workers. Default `true`. */
  readonly takesPart?: boolean;
  /** File that the manifest is written to. */
  readonly manifest?: string;
  readonly onProgress?: (progress: SharedProgress) => void;
  readonly onTrouble?: (text: string) => void;
  readonly leaseMs?: number;
  readonly signal: AbortSignal;
}

export interface SharedCopyResult {
  readonly transfer: string;
  /** Whether it was under way already. */
  readonly joined: boolean;
  /** Objects of the source and their bytes, and those of them that the target was proven to hold. */
  readonly objects: number;
  readonly bytes: number;
  readonly verified: number;
  readonly account: Account;
  readonly copied: number;
  readonly copiedBytes: number;
  readonly extra: number;
  /** Objects, and ranges that could not be listed. */
  readonly failed: number;
  readonly unlisted: number;
  readonly manifest: WrittenManifest | null;
  /** The first of them. */
  readonly failures: readonly FailedObject[];
}

const POLL_MS = 500;
const MOST_NAMED = 100;

/**
 * Begins a transfer that all workers share, or joins the one with the same ends and options that is under way, and
 * waits for its end. Killed and run again, it goes on with it; the workers do so meanwhile. The result is complete
 * when `failed` is 0 and its account adds up. Throws the signal's reason, `ProviderError` when one of the ends cannot be listed from here; one that
 * does not answer is waited for where the transfer is under way, as the workers do.
 */
export async function runSharedCopy(copy: SharedCopyOptions): Promise<SharedCopyResult> {
  const { databaseUrl, from, to, signal, openStore } = copy;
  const options = { ...TRANSFER_DEFAULTS, ...copy.options };
  const pool = new Pool({ connectionString: databaseUrl, max: 2, connectionTimeoutMillis: 5000 });
  // An idle connection that breaks is no loss; whoever asks next gets a new one or the error.
  pool.on('error', () => {});
  const ended = new AbortController();
  let part: ReturnType<typeof runWorker> | null = null;
  try {
    await createTransferTables(pool);
    const isUnderWay = (await findTransfer(pool, { from, to, options })) !== null;
    for (const [location, use] of [
      [from, 'read'],
      [to, 'write'],
    ] as const)
      await canBeListed(openStore, location, use).catch((error: unknown) => {
        if (!isUnderWay || !(error instanceof ProviderError) || error.reached) throw error;
      });
    signal.throwIfAborted();
    const { transfer, joined } = await beginTransfer(pool, { from, to, options });
    const over = AbortSignal.any([signal, ended.signal]);
    part = copy.takesPart === false ? null : runWorker({ ...workerPart(copy), once: false, signal: over });
    const whole = waitForEnd(pool, transfer.id, copy).finally(() => ended.abort());
    // The worker ends by itself only when it cannot go on.
    await (part === null ? whole : Promise.race([whole, part.then(() => whole)]));
    await part;
    const results = (await readResults(pool, transfer.id)).map(({ result }) => result);
    const manifest = copy.manifest === undefined ? null : await writeManifest(pool, transfer.id, copy.manifest);
    await endTransfer(pool, transfer.id);
    const sum = (of: (one: (typeof results)[number]) => number): number =>
      results.reduce((total, one) => total + of(one), 0);
    const [objects, verified, gone] = [sum((one) => one.objects), sum((one) => one.verified), sum((one) => one.gone)];
    const [failed, unlisted] = [sum((one) => one.failed), sum((one) => one.unlisted)];
    return {
      transfer: transfer.id,
      joined,
      objects,
      bytes: sum((one) => one.bytes),
      verified,
      account: { listed: objects + gone, proven: verified, failed: failed - unlisted, gone, late: 0 },
      copied: sum((one) => one.copied),
      copiedBytes: sum((one) => one.copiedBytes),
      extra: sum((one) => one.extra),
      failed,
      unlisted,
      manifest,
      failures: results.flatMap((one) => one.failures).slice(0, MOST_NAMED),
    };
  } finally {
    ended.abort();
    // What this process has under way is given back. Its error, if that is what ended this, is thrown already.
    await Promise.allSettled([part]);
    await pool.end();
  }
}

function workerPart({ databaseUrl, openStore, filter, concurrency, leaseMs, onTrouble }: SharedCopyOptions) {
  return {
    databaseUrl,
    openStore,
    concurrency,
    ...(filter === undefined ? {} : { filter }),
    ...(leaseMs === undefined ? {} : { leaseMs }),
    ...(onTrouble === undefined ? {} : { onTrouble }),
  };
}

/** What is wrong with a name, an address or a credential is better said before anything has begun. */
async function canBeListed(openStore: OpenStore, location: string, use: 'read' | 'write'): Promise<void> {
  const store = await openStore(location, use);
  try {
    for await (const _first of store.list()) break;
  } finally {
    await store.close();
  }
}

async function waitForEnd(pool: Pool, transfer: string, { signal, onProgress }: SharedCopyOptions): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const progress = await readProgress(pool, transfer);
    onProgress?.(progress);
    if (!progress.planning && progress.done + progress.failed === progress.partitions) return;
    await wait(POLL_MS, null, { signal });
  }
}
