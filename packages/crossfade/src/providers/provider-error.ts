/** What a provider answered instead of what was asked. The message holds no credential. */
export class ProviderError extends Error {
  override readonly name = 'ProviderError';
  readonly provider: string;
  readonly operation: string;
  /** HTTP status; `null` when nothing answered. */
  readonly status: number | null;
  /** The vendor's own code. */
  readonly code: string | null;
  constructor(provider: string, operation: string, details: { status: number | null; code?: string | null; message: string; cause?: unknown }) {
    const { status, code = null, message } = details;
    const answer = status === null ? 'could not be reached' : `answered ${status}${code === null ? '' : ` (${code})`}`;
    super(`${provider}: ${operation} ${answer}: ${message}`, details.cause === undefined ? undefined : { cause: details.cause });
    this.provider = provider;
    this.operation = operation;
    this.status = status;
    this.code = code;
  }
}

/** Whether what was asked for is not there. */
export function isNotFound(error: unknown): boolean {
  return error instanceof ProviderError && error.status === 404;
}

/** Whether nobody answered at all: the network, not the vendor's refusal. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof ProviderError && error.status === null;
}

/** Answers worth asking again for: throttled, or the vendor's own trouble. */
export function isRetryable(error: unknown): boolean {
  return error instanceof ProviderError && (error.status === null || error.status === 429 || error.status >= 500);
}
