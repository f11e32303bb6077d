import { errorText } from '../rollout/error-text.ts';
import { keyFilter } from '../transfer/key-filter.ts';
import type { Concurrency } from '../transfer/pace.ts';
import type { CommandFlags } from './main.ts';
import { UserError } from './user-error.ts';

/** What `copy` and `verify` were asked for, checked. */
export interface TransferOptions {
  /** Only keys for which this holds; `null` for all. */
  readonly filter: ((key: string) => boolean) | null;
  /** Only keys that begin with it, below the location. */
  readonly prefix: string;
  /** `null` for the config's. */
  readonly concurrency: Concurrency | null;
  /** `null` without a limit. */
  readonly bytesPerSecond: number | null;
  /** Requests a second to each store; `null` without a limit. */
  readonly requestsPerSecond: number | null;
  /** Bytes of the source's objects in all; `null` without a limit. */
  readonly egressBytes: number | null;
  /** `null` for the config's. */
  readonly maxLagSeconds: number | null;
}

const MOST_AT_ONCE = 1024;
const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** @throws UserError that names the option, what was found and what is expected */
export function readTransferOptions(flags: CommandFlags): TransferOptions {
  return {
    filter: readFilter(flags),
    prefix: flags.prefix ?? '',
    concurrency: flags.concurrency === undefined ? null : readConcurrency(flags.concurrency),
    bytesPerSecond: flags.bandwidth === undefined ? null : readBandwidth(flags.bandwidth),
    requestsPerSecond: flags.requests === undefined ? null : readRequests(flags.requests),
    egressBytes: flags['egress-limit'] === undefined ? null : readEgress(flags['egress-limit']),
    maxLagSeconds: flags['max-lag'] === undefined ? null : readSeconds(flags['max-lag']),
  };
}

function readFilter({ include = [], exclude = [] }: CommandFlags): TransferOptions['filter'] {
  try {
    return keyFilter(include, exclude);
  } catch (error) {
    throw new UserError(
      'CROSSFADE_GLOB_INVALID',
      errorText(error),
      "mend --include or --exclude; a pattern is for example 'users/**' or '*.wav'",
    );
  }
}

function readConcurrency(text: string): Concurrency {
  if (text === 'auto') return text;
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= MOST_AT_ONCE) return count;
  throw new UserError(
    'CROSSFADE_CONCURRENCY_INVALID',
    `${JSON.stringify(text)} is no number of objects at once`,
    `say --concurrency auto, or 1 to ${MOST_AT_ONCE}`,
  );
}

function readRequests(text: string): number {
  if (/^\d+$/.test(text) && Number(text) >= 1) return Number(text);
  throw new UserError(
    'CROSSFADE_REQUESTS_INVALID',
    `${JSON.stringify(text)} is no number of requests a second`,
    'say for example --requests 100',
  );
}

function readEgress(text: string): number {
  const bytes = sizeOf(text);
  if (bytes !== null) return bytes;
  throw new UserError(
    'CROSSFADE_EGRESS_INVALID',
    `${JSON.stringify(text)} is no number of bytes`,
    'say bytes in all with K, M or G, for example --egress-limit 200G',
  );
}

/** `10M` is 10 MiB; `null` for what is no size. */
function sizeOf(text: string): number | null {
  const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)([kmg]?)$/i.exec(text) ?? [];
  const bytes = Math.round(Number(digits) * (UNITS[unit.toLowerCase()] ?? 1));
  return digits !== '' && bytes >= 1 ? bytes : null;
}

/** `10M` is 10 MiB a second. */
function readBandwidth(text: string): number {
  const bytes = sizeOf(text);
  if (bytes !== null) return bytes;
  throw new UserError(
    'CROSSFADE_BANDWIDTH_INVALID',
    `${JSON.stringify(text)} is no bandwidth`,
    'say bytes a second with K, M or G, for example --bandwidth 10M',
  );
}

function readSeconds(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  throw new UserError('CROSSFADE_LAG_INVALID', `${JSON.stringify(text)} is no number of seconds`, 'say --max-lag 30');
}
