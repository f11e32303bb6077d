import { join, resolve } from 'node:path';
import type { ObjectStore } from '../providers/providers.ts';
import { isUnreachable, ProviderError } from '../providers/provider-error.ts';
import type { RolloutConfig } from '../rollout/config.ts';
import { EgressSpent } from '../transfer/egress.ts';
import { KEPT, openFindings, type Findings } from '../transfer/findings.ts';
import { findKeyAliases } from '../transfer/key-aliases.ts';
import { LimitsError, watchLimits, type LiveLimits, type TransferLimits } from '../transfer/limits.ts';
import { UnorderedListing } from '../transfer/merge-listings.ts';
import { ManifestError } from '../transfer/manifest-file.ts';
import type { Concurrency } from '../transfer/pace.ts';
import { reasonToStop, TransferStopped } from '../transfer/stop-early.ts';
import { EXIT } from './exit-codes.ts';
import { interruption } from './interruption.ts';
import type { CommandFlags } from './main.ts';
import { openLocations, type OpenLocation } from './open-locations.ts';
import { createProgressView, type ProgressView } from './transfer-progress.ts';
import { readTransferOptions, type TransferOptions } from './transfer-options.ts';
import { asUserError, UserError } from './user-error.ts';

/** A transfer that is under way in this process. */
export interface TransferSession {
  readonly flags: CommandFlags;
  readonly options: TransferOptions;
  readonly config: RolloutConfig | null;
  readonly locations: readonly OpenLocation[];
  readonly concurrency: Concurrency;
  readonly limits: LiveLimits;
  readonly findings: Findings;
  readonly view: ProgressView;
  /** Fires for Ctrl-C, and when going on is in vain. */
  readonly signal: AbortSignal;
  /** What was typed, to be typed again. */
  readonly command: string;
}

const TRANSFER_FOLDER = '.crossfade/transfer';

/**
 * Opens the locations, runs `work` and answers with the exit code. Interrupted, it says so and how to go on.
 * @throws UserError for what a person can mend, ProviderError when a store cannot be reached
 */
export async function withTransfer(
  name: 'copy' | 'verify',
  flags: CommandFlags,
  wanted: readonly { readonly text: string; readonly use: 'read' | 'write' }[],
  work: (session: TransferSession) => Promise<number>,
): Promise<number> {
  const options = readTransferOptions(flags);
  const interrupted = interruption();
  const stop = new AbortController();
  const stopWith = (error: unknown): void => stop.abort(error);
  const started = new Date().toISOString().replaceAll(/[:.]/g, '-');
  const findings = openFindings(resolve(flags.report ?? join(TRANSFER_FOLDER, `${name}-${started}.jsonl`)));
  const view = createProgressView(process.stderr);
  const command = ['crossfade', ...process.argv.slice(2)].map(quoted).join(' ');
  const skipped = new Set<string>();
  const onSkipped = (key: string, reason: string): void => {
    // Each listing tells it again.
    if (skipped.has(key) || skipped.size >= KEPT) return;
    skipped.add(key);
    findings.add({ kind: 'skipped', key, reason }).catch(stopWith);
  };
  const limits = openLimits(flags, options, view.say);
  const opened = await openLocations({ flags, wanted, onSkipped, ...options, limits }).catch((error: unknown) => {
    limits.close();
    throw error;
  });
  try {
    const signal = AbortSignal.any([interrupted, stop.signal]);
    const { config, concurrency, locations } = opened;
    return await work({ flags, options, config, locations, concurrency, limits, findings, view, signal, command });
  } catch (error) {
    if (!interrupted.aborted) throw asTransferError(error);
    view.say(`interrupted; what has arrived stays. Go on: ${command}`);
    if (flags.json === true)
      process.stdout.write(`${JSON.stringify({ outcome: 'interrupted', counts: findings.counts, next: [command] })}\n`);
    return EXIT.interrupted;
  } finally {
    limits.close();
    await Promise.all([opened.close(), findings.close()]);
  }
}

const limitsOf = ({ bytesPerSecond, requestsPerSecond, egressBytes }: TransferOptions): TransferLimits => ({
  bytesPerSecond,
  requestsPerSecond,
  egressBytes,
});

/** What a person can mend, in their words; any other error as it is. */
export function asTransferError(error: unknown): unknown {
  if (error instanceof ManifestError)
    return new UserError('CROSSFADE_MANIFEST_BROKEN', error.message, 'take a manifest that copy or verify has written');
  if (error instanceof TransferStopped) return asStopped(error);
  if (error instanceof UnorderedListing)
    return new UserError(
      'CROSSFADE_LISTING_UNORDERED',
      error.message,
      'Crossfade compares two listings in byte order, as S3 sends them; copy from a store that does so (S3 Express does not)',
      EXIT.failed,
    );
  if (!(error instanceof ProviderError) || isUnreachable(error)) return error;
  const hint = error.hint ?? 'check the location and its credentials';
  if (error.code === 'NoSuchBucket' || error.status === 404)
    return new UserError(
      'CROSSFADE_BUCKET_MISSING',
      error.message,
      'check the name of the bucket; nothing here makes one',
    );
  if (reasonToStop(error) !== null || error.status === 403)
    return new UserError('CROSSFADE_ACCESS_REFUSED', error.message, hint);
  return new UserError('CROSSFADE_PROVIDER_REFUSED', error.message, `${hint}; run it again to go on`, EXIT.failed);
}

/** The copy ended before its end: what is wrong is wrong with all objects. */
function asStopped(stopped: TransferStopped): Error {
  const { cause } = stopped;
  if (asUserError(cause) !== null && cause instanceof Error) return cause;
  if (cause instanceof EgressSpent)
    return new UserError('CROSSFADE_EGRESS_REACHED', stopped.message, 'what has arrived stays', EXIT.failed);
  const exit = isUnreachable(cause) ? EXIT.unreachable : reasonToStop(cause) === null ? EXIT.failed : EXIT.usage;
  return new UserError(
    'CROSSFADE_TRANSFER_STOPPED',
    stopped.message,
    'what has arrived stays; run it again to go on',
    exit,
  );
}

/** @throws UserError for a file that says no limits */
function openLimits(flags: CommandFlags, options: TransferOptions, say: (text: string) => void): LiveLimits {
  try {
    return watchLimits(flags.limits === undefined ? null : resolve(flags.limits), limitsOf(options), say);
  } catch (error) {
    if (!(error instanceof LimitsError)) throw error;
    throw new UserError(
      'CROSSFADE_LIMITS_INVALID',
      error.message,
      'write JSON such as {"bytesPerSecond":10000000,"requestsPerSecond":100,"egressBytes":null}',
    );
  }
}

/** As a shell takes it. */
export function quoted(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** The store of the first, or second, location. */
export function sideOf(session: TransferSession, index: 0 | 1): OpenLocation & { readonly store: ObjectStore } {
  const side = session.locations[index];
  if (side === undefined) throw new Error('the location was not opened');
  return side;
}

/** Why the target cannot hold a key of the source, by itself or beside the others. Throws as the source's listing does. */
export async function refusalsOf(session: TransferSession): Promise<(key: string) => string | null> {
  const { options, concurrency, signal } = session;
  const [from, to] = [sideOf(session, 0), sideOf(session, 1)];
  const filter = options.filter === null ? {} : { filter: options.filter };
  const aliases = await findKeyAliases({ from: from.store, to: to.store, concurrency, signal, ...filter });
  return (key) => to.refuses(key) ?? aliases.refuses(key);
}
