import { ProviderError, isRetryable } from './provider-error.ts';

const ATTEMPTS = 4;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 8000;
/** R2 takes one write a second to a key and says 429 to the next, without a Retry-After. */
const LEAST_AFTER_429_MS = 1000;
/** A vendor that asks for more patience than this is told to the caller instead. */
const LONGEST_RETRY_AFTER_MS = 60_000;

/**
 * Asks again after a passing fault: after what the vendor's Retry-After says, otherwise with exponential pauses and
 * jitter. Only for calls that may be made twice. `attempt` counts from 1; `pace` is a share of the pauses.
 */
export async function retrying<Answer>(
  call: (attempt: number) => Promise<Answer>,
  attempts = ATTEMPTS,
  pace = 1,
): Promise<Answer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call(attempt);
    } catch (error) {
      if (attempt >= attempts || !isRetryable(error)) throw error;
      const asked = error instanceof ProviderError ? error.retryAfterMs : null;
      if (asked !== null && asked > LONGEST_RETRY_AFTER_MS) throw error;
      const least = error instanceof ProviderError && error.status === 429 ? LEAST_AFTER_429_MS : 0;
      await pause((asked ?? least + backOffMs(attempt)) * pace);
    }
  }
}

/** Half of it fixed and half of it chance, so that many who failed together do not come back together. */
export function backOffMs(attempt: number): number {
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Retry-After in ms, from its seconds or its date; `null` where there is none. */
export function parseRetryAfter(value: string | null | undefined): number | null {
  if (value === null || value === undefined || value === '') return null;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const date = Date.parse(value);
  return Number.isNaN(date) ? null : Math.max(0, date - Date.now());
}
