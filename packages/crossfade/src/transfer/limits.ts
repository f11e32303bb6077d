import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { errorText } from '../rollout/error-text.ts';

/** What a transfer may take of a source, at most; `null` for no limit. */
export interface TransferLimits {
  readonly bytesPerSecond: number | null;
  /** Of each store; listings and repetitions count. */
  readonly requestsPerSecond: number | null;
  /** Bytes of objects that are read from the source in all, by one run. */
  readonly egressBytes: number | null;
}

/** A file of limits that says none. */
export class LimitsError extends Error {
  override readonly name = 'LimitsError';
}

export interface LiveLimits {
  current(): TransferLimits;
  close(): void;
}

const positive = v.pipe(v.number(), v.minValue(1));
/** The file's and the config's; what a field says nothing of stays as the command has it, `null` lifts it. */
export const limitsSchema = v.strictObject({
  bytesPerSecond: v.optional(v.nullable(positive)),
  requestsPerSecond: v.optional(v.nullable(positive)),
  egressBytes: v.optional(v.nullable(positive)),
});

/** A list counts as an object without fields to the schema above. */
const limitsFile = v.pipe(
  v.string(),
  v.parseJson(),
  v.check((value) => !Array.isArray(value), 'expected an object, found a list'),
  limitsSchema,
);

const LOOK_EVERY_MS = 1000;

/**
 * Limits that a file may change while they count: it is looked at each second, and need not be there. What cannot be
 * read then is told, and changes nothing.
 * @throws LimitsError when the file cannot be understood at the start: going on would mean to go on without limits
 */
export function watchLimits(path: string | null, start: TransferLimits, tell: (text: string) => void): LiveLimits {
  let current = start;
  if (path === null) return { current: () => current, close: () => {} };
  let seen: string | null = null;
  let isFirst = true;
  const look = (): void => {
    const text = textOf(path);
    if (text === seen) return;
    seen = text;
    if (text === null) {
      current = start;
      tell(`${path} is not there: the limits are the command's`);
      return;
    }
    try {
      const told = v.parse(limitsFile, text);
      const { bytesPerSecond = start.bytesPerSecond, requestsPerSecond = start.requestsPerSecond } = told;
      const { egressBytes = start.egressBytes } = told;
      current = { bytesPerSecond, requestsPerSecond, egressBytes };
      tell(`limits of ${path}: ${JSON.stringify(current)}`);
    } catch (error) {
      if (isFirst) throw new LimitsError(`${path} holds no limits: ${errorText(error)}`, { cause: error });
      tell(`${path} holds no limits, the ones before stay: ${errorText(error)}`);
    }
  };
  look();
  isFirst = false;
  const timer = setInterval(look, LOOK_EVERY_MS).unref();
  return { current: () => current, close: () => clearInterval(timer) };
}

/** `null` when there is no such file. */
function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    return `cannot be read: ${errorText(error)}`;
  }
}
