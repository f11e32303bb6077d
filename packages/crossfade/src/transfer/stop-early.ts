import { ProviderError } from '../providers/provider-error.ts';
import { errorText } from '../rollout/error-text.ts';

/** What no other object will fare better with. */
const CREDENTIALS = new Set([
  'ExpiredToken',
  'InvalidToken',
  'TokenRefreshRequired',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'RequestTimeTooSkewed',
]);
const FULL = new Set(['QuotaExceeded', 'StorageFull', 'InsufficientStorage', 'XMinioStorageFull']);
/** Errors of the system after which no other file can be written either. */
const DISK: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EROFS']);
/** Failures one after the other, with no success between them, that are taken for a failure of all. */
const MOST_IN_A_ROW = 100;

/** The transfer ends before its end, since going on would only fail again and again. */
export class TransferStopped extends Error {
  override readonly name = 'TransferStopped';
}

/** Why no other object will fare better, and what to do; `null` when only this one may be concerned. */
export function reasonToStop(error: unknown): string | null {
  if (error instanceof Error && 'code' in error && DISK.has(error.code)) return 'nothing more can be written there';
  if (!(error instanceof ProviderError)) return null;
  const { status, code, provider } = error;
  if (status === 401 || (code !== null && CREDENTIALS.has(code)))
    return `${provider} does not take the credential any more; renew it, then run the same again`;
  if (status === 507 || (code !== null && FULL.has(code)))
    return `${provider} is full; make room, then run the same again`;
  return null;
}

export interface EarlyStop {
  succeeded(): void;
  /** @throws TransferStopped when there is no use in going on */
  failed(key: string, error: unknown): void;
}

export function createEarlyStop(): EarlyStop {
  let inARow = 0;
  return {
    succeeded() {
      inARow = 0;
    },
    failed(key, error) {
      inARow++;
      const reason = reasonToStop(error) ?? (inARow < MOST_IN_A_ROW ? null : `${inARow} objects failed in a row`);
      if (reason !== null)
        throw new TransferStopped(`stopped at ${JSON.stringify(key)}: ${reason} (${errorText(error)})`, {
          cause: error,
        });
    },
  };
}
